// What a reader chooses for every page: the language, and the unit of masses.

import { chooseMasses, masses } from "./masses.js";

const form = document.getElementById("choices");

if (form) {
  form.elements.masses.value = masses;
  form.elements.language.onchange = ({ target }) => {
    const address = new URL(location.href);
    address.searchParams.set("language", target.value);
    location.replace(address);
  };
  form.elements.masses.onchange = ({ target }) => {
    chooseMasses(target.value);
    location.reload();
  };
}

// the cookie remembers it from now on: an address that is passed on leaves the language to who opens it
const address = new URL(location.href);
if (address.searchParams.has("language")) {
  address.searchParams.delete("language");
  history.replaceState(history.state, "", address);
}
