// The unit of masses that a reader chose. The API says kg; what is shown is converted here alone.

const KEY = "tonne.masses";
const KG_A_LB = 0.45359237;

const UNITS = {
  metric: { small: { unit: "kg", kg: 1 }, large: { unit: "t", kg: 1000 }, largeFromKg: 1000 },
  us: { small: { unit: "lb", kg: KG_A_LB }, large: { unit: "short ton", kg: 2000 * KG_A_LB }, largeFromKg: 2000 * KG_A_LB },
};

/** metric: kg and t; us: lb and short tons. */
export const masses = read();

/** kg or lb: of rates, and of axes of small masses. */
export const SMALL = UNITS[masses].small;
/** t or short tons. */
export const LARGE = UNITS[masses].large;

/** The unit that a mass, or the largest of several, is shown in. */
export const unitFor = (kg) => (Math.abs(kg) < UNITS[masses].largeFromKg ? SMALL : LARGE);

/** Keep a choice for the next page. */
export function chooseMasses(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // a browser that keeps nothing shows kg
  }
}

function read() {
  try {
    return localStorage.getItem(KEY) === "us" ? "us" : "metric";
  } catch {
    return "metric";
  }
}
