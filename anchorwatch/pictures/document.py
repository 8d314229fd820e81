"""How a page looks that needs nothing else: on a screen, light or dark, and on paper."""

STYLE = """
  :root { color-scheme: light dark; --ink: #1f2328; --dim: #57606a; --paper: #fff;
    --soft: #f6f8fa; --line: #d0d7de; --critical: #cf222e; --warning: #9a6700; --info: #0969da;
    --good: #1a7f37; }
  @media screen and (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1;
    --paper: #0d1117; --soft: #161b22; --line: #30363d; --critical: #ff7b72;
    --warning: #d29922; --info: #58a6ff; --good: #3fb950; } }
  body { margin: 0 auto; max-width: 1080px; padding: 24px; background: var(--paper);
    color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 22px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px }
  .dim { color: var(--dim) } .critical { color: var(--critical) }
  .warning { color: var(--warning) } .info { color: var(--info) } .fine { color: var(--good) }
  .verdict { font-size: 19px; font-weight: 700; margin: 4px 0 12px; }
  .blind { border-left: 4px solid var(--warning); padding-left: 10px; }
  code, pre, td, th { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
    padding: 12px; overflow-x: auto; margin: 8px 0 }
  .scroll { overflow-x: auto; margin: 0 } .scroll svg { max-width: none }
  table { border-collapse: collapse; width: 100% }
  th { text-align: left; color: var(--dim); font-weight: 600 }
  td, th { padding: 3px 12px 3px 0; border-bottom: 1px solid var(--line);
    vertical-align: top; white-space: nowrap }
  td.what { white-space: normal; min-width: 260px } tr.proof { font-weight: 700 }
  svg { max-width: 100%; height: auto } summary { cursor: pointer }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0 }
  p { overflow-wrap: anywhere } dt { color: var(--dim) } dd { margin: 0; overflow-wrap: anywhere;
    font: 13px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  @page { size: A4; margin: 14mm 12mm; }
  @media print {
    :root { color-scheme: light; }
    body { padding: 0; max-width: none; font-size: 10.5pt; }
    code, pre, td, th, dd, dt { font-size: 8pt; } h1 { font-size: 15pt; }
    summary { break-after: avoid; }
    h1, h2, h3 { break-after: avoid; } thead { display: table-header-group; }
    tr, svg, figure, dl, li, .keep { break-inside: avoid; }
    .scroll { overflow: visible; } .scroll svg { max-width: 100%; }
    pre { white-space: pre-wrap; overflow-wrap: anywhere; }
    td, th { padding-right: 8px; } th { white-space: normal; }
    td.what { overflow-wrap: anywhere; min-width: 0; }
    svg, .critical, .warning, .fine, .info { print-color-adjust: exact; }
  }
"""
"""What its `style` element holds; pages escape what they fill in."""
