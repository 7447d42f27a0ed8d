"use strict";
// Finds symbols and venues by what is typed, and leads links of other pages on: #PMCY to the page
// of a symbol or venue, #before=DAY and #after=DAY to the nearest week with a report.
const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "[]");
const names = read("names"), weeks = read("weeks"); // weeks: oldest first
const box = document.getElementById("q"), list = document.getElementById("found");
const said = document.getElementById("said"), usual = said?.textContent;
const MOST = 20;

function rank([, id, name], typed) {
  const lower = id.toLowerCase(), words = (name ?? "").toLowerCase();
  if (id === typed) return 0;
  if (lower === typed.toLowerCase()) return 1;
  if (lower.startsWith(typed.toLowerCase())) return 2;
  return words.includes(typed.toLowerCase()) ? 3 : -1;
}

function show() {
  const typed = box.value.trim();
  list.replaceChildren();
  if (!typed) { said.textContent = usual; return; }
  const found = names.map((row) => [rank(row, typed), row]).filter(([at]) => at >= 0);
  found.sort(([a], [b]) => a - b); // stable: the largest first
  said.textContent = found.length > MOST ? `The first ${MOST} of ${found.length}` : `${found.length} found`;
  for (const [, [kind, id, name, shares, link]] of found.slice(0, MOST)) {
    const item = document.createElement("li"), head = document.createElement(link ? "a" : "b");
    head.textContent = kind === "venue" ? name || id : id;
    if (link) head.href = link;
    const more = kind === "venue" ? ` ${id}` : ` ${name ?? ""}`;
    item.append(head, more);
    if (shares) item.append(` · ${Math.round(shares).toLocaleString("en")} shares`);
    if (!link) {
      const command = document.createElement("code");
      command.textContent = `spine report --symbol ${id}`;
      item.append(" · no page yet: ", command);
    }
    list.append(item);
  }
}

function lead() {
  const asked = decodeURIComponent(location.hash.slice(1));
  const [way, day] = asked.split("=");
  if (way === "before" || way === "after") {
    const week = way === "after" ? weeks.find((each) => each > day) : weeks.findLast((each) => each < day);
    if (week) location.replace(`week_ending=${week}/report.html`);
    else if (said) said.textContent = `No week ${way} ${day} has a report.`;
  } else if (asked && box) {
    const exact = names.find(([, id]) => id === asked);
    if (exact?.[4]) location.replace(exact[4]);
    box.value = asked;
    show();
  }
}

box?.addEventListener("input", show);
document.getElementById("search")?.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
addEventListener("hashchange", lead);
lead();
