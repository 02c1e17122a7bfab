// What keys of a facility file are called and mean, in the reader's language: the schema says it in English.

import { language } from "./words.js";

const catalogue = language === "en" ? {} : (await import(`./schema.${language}.js`)).default;

/** A sentence of the schema. */
export const helpWords = (text = "") => catalogue[text] ?? text;

/** What a key is called. */
export function keyWords(key) {
  const words = key.replaceAll("_", " ");
  return catalogue[words] ?? words;
}

/** The key itself, where it is called otherwise: who compares with the text looks for it. */
export const keyItself = (key) => (keyWords(key) === key.replaceAll("_", " ") ? "" : key);
