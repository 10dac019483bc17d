"use strict";
// Counts down what waits for a person, and keeps ticks when htmx brings the rows anew.
(() => {
  let ticked = new Set();
  const picks = () => [...document.querySelectorAll("input.pick")];

  function begin() {
    document.querySelectorAll("[data-left]").forEach((box) => {
      if (!box.dataset.until) box.dataset.until = performance.now() + 1000 * Number(box.dataset.left);
    });
    show();
  }

  function show() {
    document.querySelectorAll("[data-until]").forEach((box) => {
      const left = Math.max((box.dataset.until - performance.now()) / 1000, 0);
      box.querySelector("span").textContent = left > 0 ? Math.ceil(left) + " s" : "gone";
      box.querySelector("i").style.width = Math.min((100 * left) / Number(box.dataset.span || 60), 100) + "%";
      box.classList.toggle("soon", left < 15);
    });
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    ticked = new Set(picks().filter((pick) => pick.checked).map((pick) => pick.value));
    // A session that ended answers with the login page.
    if (new URL(event.detail.xhr.responseURL).pathname !== location.pathname) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    picks().forEach((pick) => { pick.checked = pick.checked || ticked.has(pick.value); });
    begin();
  });
  begin();
  setInterval(show, 250);
})();
