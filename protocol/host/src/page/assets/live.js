"use strict";
// Brings the parts of the page that have changed; without it the page fetches itself anew.
const live = document.getElementById("live");
if (live) {
  const source = new EventSource("/events" + location.search);
  source.onmessage = (event) => {
    document.body.classList.remove("gone");
    const next = new DOMParser().parseFromString(event.data, "text/html");
    for (const part of next.querySelectorAll("[data-live]")) {
      const old = document.getElementById(part.id);
      if (!old || old.outerHTML === part.outerHTML) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceWith(document.importNode(part, true));
      if (focused) document.getElementById(focused)?.focus();
    }
  };
  source.onerror = () => document.body.classList.add("gone");
}
