"use strict";
// Draws the timelines of what still moves again, as time goes on, where they can be seen; and where
// there is no room for all of one, keeps its present in view, until the reader looks elsewhere.
(() => {
  const EVERY = 2000; // ms
  const AHEAD = 0.4; // of the width is what comes
  const places = new WeakMap();
  const follow = (lanes) => {
    const svg = lanes.querySelector("svg");
    if (!svg || lanes.scrollLeft !== (places.get(lanes) ?? 0)) return;
    const now = (svg.dataset.now * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width;
    lanes.scrollLeft = now - lanes.clientWidth * (1 - AHEAD);
    places.set(lanes, lanes.scrollLeft);
  };
  const ask = async (path) => {
    const answer = await fetch(path);
    return answer.ok ? answer.text() : null;
  };
  const draw = async (lanes) => {
    const drawn = await ask(lanes.dataset.lanes).catch(() => null);
    if (drawn === null || !lanes.isConnected) return;
    lanes.innerHTML = drawn; // the server escapes all that came from elsewhere
    follow(lanes);
  };
  const seen = ({ top, bottom }) => bottom > 0 && top < innerHeight;
  // The place of the lanes in an element, for what takes its place.
  window.placeOfLanes = (old) => {
    const was = old.querySelector(".lanes");
    const [at, known] = was ? [was.scrollLeft, places.get(was)] : [0, 0];
    return (fresh) => {
      const lanes = fresh.querySelector(".lanes");
      if (!was || !lanes) return;
      lanes.scrollLeft = at;
      places.set(lanes, known);
    };
  };
  window.followLanes = () => document.querySelectorAll("[data-moves]").forEach(follow);
  window.followLanes();
  setInterval(() => {
    if (document.hidden || document.body.classList.contains("lost")) return;
    for (const lanes of document.querySelectorAll("[data-moves]")) if (seen(lanes.getBoundingClientRect())) draw(lanes);
  }, EVERY);
})();
