/* The drawings on buttons: outlines in a square of 24. */

export const ICONS = {
  folder: "M3 6h6l2 2h10v11H3z", paper: "M6 3h9l4 4v14H6zM14 3v5h5", plus: "M12 5v14M5 12h14", search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M16 16l5 5",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3", warning: "M12 4l9 16H3zM12 10v5M12 17v1", clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3 3",
  people: "M9 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M2 20a7 7 0 0 1 14 0M16 4a4 4 0 0 1 0 8M18 14a7 7 0 0 1 4 6", person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 20a8 8 0 0 1 16 0",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1", more: "M5 12h.01M12 12h.01M19 12h.01",
  up: "M12 19V5M6 11l6-6 6 6", down: "M12 5v14M6 13l6 6 6-6", close: "M6 6l12 12M18 6L6 18", replace: "M4 9h13l-4-4M20 15H7l4 4",
  pen: "M4 20l1-5L16 4l4 4L9 19z", eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  withdraw: "M4 12h16M4 12a8 8 0 1 0 16 0 8 8 0 0 0-16 0", restore: "M4 12a8 8 0 1 0 3-6M4 4v4h4", bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13", download: "M12 4v12M7 11l5 5 5-5M5 20h14",
  out: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4", moon: "M20 14A8 8 0 1 1 10 4a6 6 0 0 0 10 10", list: "M4 6h16M4 12h16M4 18h16", done: "M5 13l5 5L20 7",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 3 4 6 4 9s-1 6-4 9c-3-3-4-6-4-9s1-6 4-9", bookmark: "M6 4h12v17l-6-5-6 5z",
  larger: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5M8 11h6M11 8v6", smaller: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5M8 11h6",
  whole: "M6 3h12v18H6z", width: "M3 4v16M21 4v16M7 12h10M9 9l-3 3 3 3M15 9l3 3-3 3", pair: "M3 5h9v14H3zM12 5h9v14h-9z", rotate: "M20 12a8 8 0 1 1-3-6M20 3v4h-4",
  print: "M7 9V3h10v6M6 17H4v-8h16v8h-2M7 14h10v7H7z", help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 17h.01",
  fill: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", beside: "M3 4h8v16H3zM13 4h8v16h-8z", sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
  left: "M15 5l-7 7 7 7", right: "M9 5l7 7-7 7", back: "M4 10h10a6 6 0 0 1 0 12h-3M4 10l5-5M4 10l5 5", stop: "M7 7h10v10H7z",
  contents: "M4 6h16M8 12h12M8 18h12", grid: "M4 4h6v7H4zM14 4h6v7h-6zM4 14h6v7H4zM14 14h6v7h-6z", letters: "M4 18L9 6l5 12M6 14h6M15 18l3-7 3 7M16 16h4",
};
