"use strict";
// The connection to the server, for every page that is live. Each message has a number, one more
// than the last: after a gap, a lost connection or a sleep, all that is shown comes anew.
window.followStream = ({ onState, onChange }) => {
  const SILENT = 12000; // ms; the server speaks every 5 s at least
  const connection = document.getElementById("connection");
  let known = `${document.body.dataset.started}-${document.body.dataset.number}`;
  let number = Number(document.body.dataset.number);
  let source = null;
  let heard = Date.now();
  let lostAt = null;
  let wait = 250;
  let waiting = 0;

  const show = (live) => {
    document.body.classList.toggle("live", live);
    document.body.classList.toggle("lost", !live);
    if (live) lostAt = null;
    else lostAt ??= new Date(heard);
    const text = live ? "● live" : `▲ not connected: this is what was at ${lostAt.toISOString().slice(11, 19)} UTC`;
    if (connection.textContent !== text) connection.textContent = text;
  };
  const took = (event, data) => {
    known = event.lastEventId;
    number = data.number;
    heard = Date.now();
    wait = 250;
    if (data.time) {
      window.serverSays(data.time);
      document.body.dataset.time = data.time;
    }
    show(true);
    window.showTimes();
    window.followLanes?.();
  };
  const state = (event) => {
    const data = JSON.parse(event.data);
    onState(data);
    took(event, data);
  };
  const change = (event) => {
    const data = JSON.parse(event.data);
    if (data.number !== number + 1) return connect();
    onChange(data);
    took(event, data);
  };
  const beat = (event) => {
    const data = JSON.parse(event.data);
    if (data.number !== number) return connect();
    took(event, data);
  };

  function connect() {
    clearTimeout(waiting);
    source?.close();
    heard = Date.now(); // of this attempt: it gets its time, too
    source = new EventSource(`/api/v1/stream?as=html&after=${encodeURIComponent(known)}`);
    source.addEventListener("state", state);
    source.addEventListener("change", change);
    source.addEventListener("beat", beat);
    source.onerror = () => {
      source.close();
      show(false);
      clearTimeout(waiting);
      waiting = setTimeout(connect, wait);
      wait = Math.min(wait * 2, 4000);
    };
  }
  const look = () => {
    if (Date.now() - heard < SILENT) return;
    show(false);
    connect();
  };
  setInterval(look, 1000);
  for (const name of ["online", "pageshow", "focus"]) addEventListener(name, look);
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
  connect();
};
