import { hash } from "node:crypto";

/** In the colours of the page of an approval. */
export const style = `
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #fff; --ink: #1c1b19; --soft: #65615a; --line: #e3dfd8; --go: #1b6e3c; --on-go: #fff; --stop: #b3261e; --wait: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #151412; --card: #1e1d1a; --ink: #efece6; --soft: #a8a297; --line: #35322c; --go: #6fcf97; --on-go: #0d2416; --stop: #ff8a80; --wait: #f0b950; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 44rem; margin: 0 auto; padding: 1.25rem; }
header { font-weight: 600; }
main { padding-top: 0; }
.card { padding: 1.5rem; border: 1px solid var(--line); border-radius: 14px; background: var(--card); }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.2; }
p, dd, li { overflow-wrap: anywhere; }
dt { margin-top: 1rem; color: var(--soft); font-size: .85rem; font-weight: 600; }
dd { margin: 0; }
ul { margin: 0; padding-left: 1.2rem; }
.said { unicode-bidi: isolate; font-weight: 600; }
.hint { color: var(--soft); font-size: .875rem; }
.trouble { padding: .8rem 1rem; border: 1px solid currentcolor; border-radius: 10px; color: var(--stop); }
label { display: block; margin: 1.25rem 0 .35rem; font-weight: 600; }
input { width: 100%; padding: .7rem .8rem; border: 1px solid var(--soft); border-radius: 10px; background: var(--paper); color: inherit; font: inherit; }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1rem; }
button { min-height: 44px; padding: .5rem 1.4rem; border: 1px solid transparent; border-radius: 10px; background: none; color: inherit; cursor: pointer; font: inherit; font-weight: 600; }
.primary { background: var(--go); color: var(--on-go); }
.danger { border-color: var(--stop); color: var(--stop); }
:focus-visible { outline: 3px solid var(--wait); outline-offset: 2px; }
`;

/** The one style that the page's policy lets in. */
export const styleSource = `'sha256-${hash("sha256", style, "base64")}'`;
