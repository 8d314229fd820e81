"use strict";
// Moves through time: asks for the routes at the moment that the slider stands at.
(() => {
  const slider = document.getElementById("slider");
  if (!slider) return;
  const routes = document.getElementById("routes");
  const since = BigInt(slider.dataset.since);
  const length = BigInt(slider.dataset.until) - since;
  let waiting = 0;
  let asked = 0;
  const moment = () => {
    const at = since + (length * BigInt(slider.value)) / BigInt(slider.max);
    const seconds = new Date(Number(at / 1000000n)).toISOString().slice(0, 19);
    return `${seconds}.${String(at % 1000000000n).padStart(9, "0")}Z`;
  };
  const ask = async (at) => {
    const mine = ++asked;
    const told = await fetch(`${slider.dataset.rib}?at=${encodeURIComponent(at)}`)
      .then((answer) => answer.text())
      .catch(() => null);
    if (mine !== asked) return; // the slider has moved on meanwhile
    if (told !== null) routes.innerHTML = told; // the server escapes all that came from elsewhere
    else routes.textContent = "The watch does not answer.";
  };
  slider.addEventListener("input", () => {
    const at = moment();
    document.getElementById("moment").textContent = `${at.slice(0, 10)} ${at.slice(11, 23)} UTC`;
    document.getElementById("at").value = at;
    for (const each of document.querySelectorAll("[data-moment]")) each.textContent = at;
    clearTimeout(waiting);
    waiting = setTimeout(() => ask(at), 120);
  });
})();
