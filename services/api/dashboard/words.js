// Texts in the reader's language. The English text is the key, and stands where a catalogue has none.

/** The language of the page: en, de or zh. */
export const language = document.documentElement.lang;

/** Whose numbers and dates: the browser's own variant of the language, such as de-AT, if it has one. */
export const locale = navigator.languages.find((name) => name.split("-")[0] === language) ?? language;

const catalogue = language === "en" ? {} : (await import(`./catalogue.${language}.js`)).default;
const plurals = new Intl.PluralRules(language);

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));

/** A text in the reader's language; `{name}` in it is one of the values. */
export function t(text, values = {}) {
  return filled(catalogue[text] ?? text, values);
}

/** The text for `n` things, of one and of many in English; `{n}` in it is the number in the reader's digits. */
export function plural(one, many, n, values = {}) {
  const forms = catalogue[one] ?? [one, many];
  const form = plurals.select(n) === "one" ? forms[0] : forms.at(-1);
  return filled(form, { n: new Intl.NumberFormat(locale).format(n), ...values });
}
