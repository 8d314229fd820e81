"use strict";
// How long ago things were, and how long something may last still, by the server's clock.
// Without this, the times themselves are there.
(() => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const about = (seconds) => {
    const [size, word] = units.find(([size]) => seconds >= size);
    return `${Math.floor(seconds / size)} ${word}`;
  };
  const ago = (seconds) => (seconds < 1 ? "just now" : `${about(seconds)} ago`);
  const lasted = (seconds) => `for ${seconds < 1 ? "a moment" : about(seconds)}`;
  const two = (number) => String(number).padStart(2, "0");
  const long = (seconds) => {
    if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const whole = Math.floor(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
    if (whole < 86400) return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)} h`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
  };

  // What came last over the network is at most late: the largest difference is the truest.
  let ahead = -Infinity;
  let since = 0;
  window.serverSays = (time) => {
    const difference = Date.parse(time) - Date.now();
    if (Date.now() - since > 60000 || difference > ahead) {
      ahead = difference;
      since = Date.now();
    }
  };
  const now = () => Date.now() + ahead;

  const put = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const timer = (element) => {
    const { since: begun, seconds, limit } = element.dataset;
    const used = begun ? Math.max((now() - Date.parse(begun)) / 1000, Number(seconds), 0) : Number(seconds);
    const left = Number(limit) - used;
    const ends = begun && element.hasAttribute("data-ends");
    element.classList.toggle("over", left < 0 && used > 0);
    put(element.querySelector(".figure"), !ends ? long(used) : left < 0 ? `${long(-left)} over` : `${long(left)} left`);
    const bar = element.querySelector("progress");
    if (bar) bar.value = Math.min(used, Number(limit));
  };
  const often = () => {
    for (const element of document.querySelectorAll(".timer[data-since]")) timer(element);
  };
  const tick = () => {
    for (const [kind, said] of [["age", ago], ["lasted", lasted]])
      for (const time of document.querySelectorAll(`time[data-${kind}]`)) put(time, said((now() - Date.parse(time.dateTime)) / 1000));
    for (const each of document.querySelectorAll("[data-until]")) {
      const seconds = (Date.parse(each.dataset.until) - now()) / 1000;
      put(each, seconds > 0 ? `in ${long(seconds)}` : "");
    }
    often();
  };
  window.serverSays(document.body.dataset.time);
  // A page that is not live, or is cut off, tells of one moment: nothing in it moves.
  const live = () => "number" in document.body.dataset && !document.body.classList.contains("lost");
  setInterval(() => live() && often(), 100);
  setInterval(() => live() && tick(), 1000);
  tick();
  window.showTimes = tick;
})();
