/** The style sheet of a page: light and dark, for screens of any width, and for paper. */
export const STYLE = `
:root {
  --back: #fbfbf9; --card: #ffffff; --text: #1b1e22; --soft: #565d66; --line: #d8dbde; --track: #e9ebec;
  --accent: #0b5cad; --warn: #8a4b00;
  --decode: #2f74b5; --scatter: #8f7a1e; --infer: #c4501b; --gather: #7a5bb8; --encode: #1f8a63;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --card: #1c2024; --text: #eceef0; --soft: #a9b1ba; --line: #343a40; --track: #2a2f34;
    --accent: #7db8f2; --warn: #f0b267;
    --decode: #6aaee8; --scatter: #cdb858; --infer: #f08a58; --gather: #b79cf0; --encode: #5cc79d;
  }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p, ul { margin: .5rem 0; }
ul { padding-left: 1.2rem; }
li { overflow-wrap: anywhere; }
.kind { color: var(--soft); margin: 0 0 .25rem; font-size: .875rem; }
.about { color: var(--soft); margin: .25rem 0 0; overflow-wrap: anywhere; }
section { margin-top: 2.25rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0;
  padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .75rem .9rem; }
.tiles b { display: block; font-size: 1.35rem; line-height: 1.2; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .875rem; }
.warning { color: var(--warn); }
.compare { margin: 0; --at: 50%; }
.pairs { position: relative; border-radius: 6px; overflow: hidden; background: var(--track); }
.pair { display: grid; }
.pair[hidden] { display: none; }
.pair img { grid-area: 1 / 1; width: 100%; max-height: 80vh; object-fit: contain; display: block; }
.pair .after { clip-path: inset(0 0 0 var(--at)); }
.pairs input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
  display: none; }
.live .pairs input { display: block; }
.divider { position: absolute; top: 0; bottom: 0; left: var(--at); width: 3px; margin-left: -1.5px; background: #fff;
  box-shadow: 0 0 0 1px rgb(0 0 0 / .6); pointer-events: none; }
.pairs:focus-within, button:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.choice { display: none; flex-wrap: wrap; gap: .5rem; margin-top: .6rem; }
.live .choice { display: flex; }
button { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .25rem .7rem; cursor: pointer; overflow-wrap: anywhere; }
button[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
figcaption, caption { color: var(--soft); font-size: .875rem; text-align: left; padding: .4rem 0; }
.strip { display: grid; grid-template-columns: repeat(8, 1fr); gap: 4px; margin: 1rem 0 0; padding: 0;
  list-style: none; }
.strip img { width: 100%; display: block; border-radius: 3px; }
.strip span { font-size: .75rem; color: var(--soft); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; margin: 0;
  padding: 0; list-style: none; }
.gallery figure { margin: 0; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; align-items: start; }
.sides img { width: 100%; max-height: 16rem; object-fit: contain; display: block; border-radius: 3px; }
.rank { display: grid; grid-template-columns: 8.5rem 1fr; gap: .6rem; align-items: center; margin: 2px 0; }
.rank .name { font-size: .8rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.rank svg, .chart svg { width: 100%; display: block; background: var(--track); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; }
.rank .axis { grid-column: 2; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: 0 0 .75rem; list-style: none;
  font-size: .875rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 2px; }
.decode { fill: var(--decode); background: var(--decode); } .scatter { fill: var(--scatter); background: var(--scatter); }
.infer { fill: var(--infer); background: var(--infer); } .gather { fill: var(--gather); background: var(--gather); }
.encode { fill: var(--encode); background: var(--encode); } .waiting { background: var(--track); }
.frames { fill: var(--accent); background: var(--accent); }
.lines path { fill: none; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.reference { stroke: var(--decode); background: var(--decode); } .other { stroke: var(--infer); background: var(--infer); }
.trio { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; margin: 0 0 1rem; }
.trio img { width: 100%; display: block; border-radius: 3px; }
.trio span { font-size: .875rem; }
.trio figcaption { grid-column: 1 / -1; padding: 0; }
.scroll { overflow: auto; max-height: 32rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
td { overflow-wrap: break-word; }
.bar { display: inline-block; width: 5rem; height: .7rem; background: var(--track); margin-right: .5rem; border-radius: 2px;
  overflow: hidden; vertical-align: middle; }
.bar span { display: block; height: 100%; background: var(--accent); }
.bar .decode { background: var(--decode); } .bar .scatter { background: var(--scatter); }
.bar .infer { background: var(--infer); } .bar .gather { background: var(--gather); }
.bar .encode { background: var(--encode); }
dl { margin: 0; display: grid; gap: .25rem; font-size: .95rem; }
dl div { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 36rem) {
  .rank { grid-template-columns: 1fr; gap: 0; margin: .5rem 0; }
  .rank .axis { grid-column: 1; }
  dl div { grid-template-columns: 1fr; gap: 0; }
  .strip { grid-template-columns: repeat(4, 1fr); }
  .trio { grid-template-columns: 1fr; }
  .bar { width: 3rem; }
}
@media print {
  :root { --back: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --track: #e4e4e4; --accent: #0b5cad;
    --warn: #8a4b00; --decode: #2f74b5; --scatter: #8f7a1e; --infer: #c4501b; --gather: #7a5bb8; --encode: #1f8a63; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .rank, .tiles li, tr, figure { break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { max-height: none; overflow: visible; }
  .pair, .pair[hidden] { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; margin-bottom: 4px; }
  .pair img { grid-area: auto; }
  .pair .after { clip-path: none; }
  .divider, .choice { display: none; }
}
`;
