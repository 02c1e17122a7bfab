// Files of the API for whoever came with a key: a link sends none, so the file is fetched and handed over here.

import { file, hasKey } from "./api.js";
import { node } from "./dom.js";
import { sayWhy } from "./notice.js";

addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !hasKey() || link.origin !== location.origin || !link.pathname.startsWith("/v1/")) return;
  event.preventDefault();
  try {
    const { content, name } = await file(link.href);
    const href = URL.createObjectURL(content);
    node("a", { href, download: name }).click();
    // the browser has taken it by then
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  } catch (error) {
    sayWhy(error);
  }
});
