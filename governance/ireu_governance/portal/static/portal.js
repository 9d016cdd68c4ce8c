// What makes pages handier where JavaScript runs. Everything works without it.
"use strict";

(() => {
  const announce = document.createElement("p");
  announce.className = "unseen";
  announce.setAttribute("role", "status");
  document.body.append(announce);

  const enable = (root) => {
    if (!navigator.clipboard) return; // not in a secure context: no button that does nothing
    for (const button of root.querySelectorAll("button.copy[hidden]")) button.hidden = false;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("button.copy") : null;
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("done");
      announce.textContent = "Copied.";
      setTimeout(() => { button.classList.remove("done"); announce.textContent = ""; }, 1500);
    } catch {
      announce.textContent = "It could not be copied.";
    }
  });

  // A second click while the first is under way sends nothing; the service would do it once in any case.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 3000);
  });

  document.addEventListener("htmx:load", (event) => enable(event.target));
  enable(document);
})();
