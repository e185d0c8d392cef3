"""The style sheet of a run's report."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --ink: #26303a; --soft: #5b6671; --line: #e3e8ed; --blue: #2f6db3;
        --ground: #f4f6f8; --paper: white; --notice: #fff4e2; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e2e7ec; --soft: #a3aeb9; --line: #38424d; --blue: #7fb2ea; --ground: #14181d; --paper: #1d232a;
          --notice: #3d3018; }
  img { filter: invert(.93) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
       font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 20px 60px; }
header { margin-bottom: 20px; }
.kicker { color: var(--blue); font-weight: 600; letter-spacing: .04em; margin: 0; }
h1 { font-size: 34px; line-height: 1.2; margin: 2px 0 10px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 14px; }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
section, .card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
section { padding: 20px 24px; margin: 16px 0; }
.cards { display: flex; flex-wrap: wrap; gap: 14px; }
.card { flex: 1 1 140px; padding: 14px 16px; }
.card .value { font-size: 30px; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.label, .small { color: var(--soft); font-size: 13px; }
.small { margin: 10px 0 0; }
.notice { background: var(--notice); border-left: 4px solid #d9822b; padding: 8px 14px; }
.row { display: flex; flex-wrap: wrap; gap: 16px; justify-content: space-around; align-items: center; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 13px; text-align: center; margin-top: 4px; }
.row.level { align-items: flex-start; }
.row figure { flex: 0 1 auto; width: calc(50% - 10px); min-width: min(300px, 100%); }
.stack figure + figure { margin-top: 16px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th, td { padding: 6px 14px 6px 0; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
td { border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.none { color: var(--soft); font-style: italic; }
code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--blue); margin-bottom: 8px; }
@media screen and (max-width: 960px) {
  main { padding: 24px 12px 50px; }
  section { padding: 18px 14px; }
  table { font-size: 12.5px; }
  th, td { padding-right: 8px; }
}
@media screen and (max-width: 640px) {
  main { padding: 20px 10px 40px; }
  section { padding: 16px 14px; }
  .card { flex-basis: 130px; padding: 12px 14px; }
  .card .value { font-size: 25px; }
  .row figure { width: 100%; }
  thead { display: none; }
  table, tbody, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: 6px 0; }
  td { border: 0; padding: 2px 0; display: flex; gap: 14px; justify-content: space-between; text-align: right;
       overflow-wrap: anywhere; }
  td::before { content: attr(data-column); color: var(--soft); text-align: left; flex: none; max-width: 55%; }
  td.number { white-space: normal; }
}
@media print {
  body { background: none; }
  section, .card { border-color: #ccc; }
  section { break-inside: auto; }
  figure, .card, tr, h2 { break-inside: avoid; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  table { font-size: 10.5px; }
  td, th { overflow-wrap: anywhere; min-width: 4.8em; padding-right: 8px; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
