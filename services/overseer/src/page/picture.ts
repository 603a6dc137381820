// The pipeline as a picture, wide or narrow.
import { html, svg, type TemplateResult } from '@cuckoo-distributed/page/browser'
import type { Overview } from '../admin/wire.js'
import { type Box, type BoxKey, boxesOf } from './boxes.js'

interface Place {
  readonly x: number
  readonly y: number
  readonly width: number
}

interface Layout {
  readonly width: number
  readonly height: number
  readonly boxHeight: number
  readonly lines: number
  readonly places: Readonly<Record<BoxKey, Place>>
  /** From x, y to x, y. */
  readonly arrows: readonly (readonly [number, number, number, number])[]
}

const WIDE: Layout = {
  width: 1160,
  height: 330,
  boxHeight: 140,
  lines: 3,
  places: {
    feed_cuckoo: { x: 0, y: 0, width: 260 },
    check_results: { x: 300, y: 0, width: 260 },
    parse_and_submit: { x: 600, y: 0, width: 260 },
    crits: { x: 900, y: 0, width: 260 },
    sandbox: { x: 130, y: 190, width: 270 },
    waits: { x: 440, y: 190, width: 230 },
    overseer: { x: 710, y: 190, width: 200 },
    dumps: { x: 950, y: 190, width: 210 },
  },
  arrows: [
    [260, 70, 300, 70],
    [560, 70, 600, 70],
    [860, 70, 900, 70],
    [200, 140, 200, 190],
    [350, 190, 350, 140],
    [800, 140, 800, 190],
    [710, 260, 670, 260],
    [635, 190, 635, 140],
    [910, 260, 950, 260],
  ],
}

const ORDER: readonly BoxKey[] = [
  'feed_cuckoo',
  'sandbox',
  'check_results',
  'parse_and_submit',
  'crits',
  'overseer',
  'waits',
  'dumps',
]
const STEP = 166

const NARROW: Layout = {
  width: 360,
  height: ORDER.length * STEP - 26,
  boxHeight: 140,
  lines: 3,
  places: {
    feed_cuckoo: narrow('feed_cuckoo'),
    sandbox: narrow('sandbox'),
    check_results: narrow('check_results'),
    parse_and_submit: narrow('parse_and_submit'),
    crits: narrow('crits'),
    overseer: narrow('overseer'),
    waits: narrow('waits'),
    dumps: narrow('dumps'),
  },
  arrows: [0, 1, 2, 3, 5, 6].map(at => [180, at * STEP + 140, 180, (at + 1) * STEP]),
}

function narrow(key: BoxKey): Place {
  return { x: 1, y: ORDER.indexOf(key) * STEP, width: 358 }
}

export function pictureOf(overview: Overview, isNarrow: boolean): TemplateResult {
  const layout = isNarrow ? NARROW : WIDE
  const boxes = boxesOf(overview)
  const words = ORDER.map(key => `${boxes[key].title}: ${[boxes[key].figure, ...boxes[key].lines].join(', ')}`).join(
    '. ',
  )
  return html`<svg class="picture" role="img" aria-label=${`The pipeline. ${words}`} viewBox="-2 -2 ${layout.width + 4} ${layout.height + 4}">
    <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"></path></marker></defs>
    ${layout.arrows.map(([x1, y1, x2, y2]) => svg`<line x1=${x1} y1=${y1} x2=${x2} y2=${y2} marker-end="url(#head)"></line>`)}
    ${ORDER.map(key => boxOf(boxes[key], layout.places[key], layout))}
  </svg>`
}

/** Its colour is told by a sign as well. */
const SIGNS = { good: '●', busy: '◐', warn: '▲', bad: '■', idle: '○' } as const

function boxOf({ key, title, figure, lines, tone }: Box, { x, y, width }: Place, { boxHeight, lines: most }: Layout) {
  const characters = Math.floor((width - 24) / 7.6)
  const all = lines.flatMap(line => wrapped(line, characters))
  const shown = all.length > most ? [...all.slice(0, most - 1), `and ${all.length - most + 1} more`] : all
  return svg`<g class=${`box ${tone}`} data-box=${key} data-tone=${tone}>
    <rect x=${x} y=${y} width=${width} height=${boxHeight} rx="8"></rect>
    <text class="title" x=${x + 12} y=${y + 26}>${SIGNS[tone]} ${cut(title, characters - 2)}</text>
    <text class="figure" x=${x + 12} y=${y + 56}>${cut(figure, Math.floor(characters * 0.7))}</text>
    ${shown.map((line, at) => svg`<text x=${x + 12} y=${y + 82 + at * 21}>${cut(line, characters)}</text>`)}
  </g>`
}

/** At blanks; SVG does not wrap. */
function wrapped(text: string, characters: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < characters) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function cut(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters - 1)}…` : text
}
