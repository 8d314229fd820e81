"use strict";
// Draws the timelines of what still moves again, as time goes on, where they can be seen.
(() => {
  const EVERY = 2000; // ms
  const draw = async (lanes) => {
    const answer = await fetch(lanes.dataset.lanes).catch(() => null);
    if (!answer?.ok || !lanes.isConnected) return;
    lanes.innerHTML = await answer.text(); // the server escapes all that came from elsewhere
  };
  const seen = ({ top, bottom }) => bottom > 0 && top < innerHeight;
  setInterval(() => {
    if (document.hidden || document.body.classList.contains("lost")) return;
    for (const lanes of document.querySelectorAll("[data-moves]")) if (seen(lanes.getBoundingClientRect())) draw(lanes);
  }, EVERY);
})();
