/* Lets the viewer itself start without a connection: its page and its files, and nothing else. What is not one of them - documents,
   who somebody is, whatever else stands at this address - passes as if this were not there. Files come from the server as long
   as it answers, so that nobody reads with an old viewer. The server writes SHELL = {version, files} before this. */

/* global SHELL */

const PAGE = new URL(self.registration.scope).pathname;
const CACHES = `sidebooks shell ${PAGE} `; // other applications, and we at another path, may keep something at this origin
const CACHE = CACHES + SHELL.version;
const FILES = new Set(SHELL.files.map((name) => `${PAGE}viewer/${name}`));
const PATIENCE_MS = 5000; // a line that is there and carries nothing

const withoutConnection = new Set(); // the tabs whose page came from here: so does the rest of it, at once and of the same version

self.addEventListener("install", (event) => {
  // Where browsers can be told so, what is fetched by scripts does not even come by here.
  event.addRoutes?.(["", "image"].map((requestDestination) => ({ condition: { requestDestination }, source: "network" })))
    .catch(() => {});
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(forget()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate" && pathname === PAGE) event.respondWith(page(event));
  else if (FILES.has(pathname)) event.respondWith(file(event));
});

async function fill() {
  const cache = await caches.open(CACHE);
  await Promise.all([PAGE, ...FILES].map(async (path) => {
    const answer = await fetch(path, { cache: "no-cache" });
    if (!answer.ok || answer.redirected) throw new Error(`${path}: ${answer.status}`); // somebody's page for logging in, perhaps
    await cache.put(path, answer);
  }));
}

async function forget() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(CACHES) && name !== CACHE).map((name) => caches.delete(name)));
}

async function kept(path) {
  return (await caches.open(CACHE)).match(path);
}

async function page(event) {
  const late = new Promise((_, failed) => { setTimeout(failed, PATIENCE_MS, new Error("late")); });
  try {
    const answer = await Promise.race([fetch(event.request), late]);
    if (answer.status < 500) return answer;
    return (await kept(PAGE)) || answer;
  } catch (error) {
    const found = await kept(PAGE);
    if (!found) throw error;
    withoutConnection.add(event.resultingClientId);
    return found;
  }
}

async function file({ request, clientId }) {
  const { pathname } = new URL(request.url);
  const found = withoutConnection.has(clientId) && await kept(pathname);
  if (found) return found;
  try {
    const answer = await fetch(request);
    if (answer.status < 500) return answer;
    return (await kept(pathname)) || answer;
  } catch (error) {
    const other = await kept(pathname);
    if (!other) throw error;
    return other;
  }
}
