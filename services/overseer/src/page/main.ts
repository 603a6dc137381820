// The page of the overseer: which part of it is shown, and what all parts share.
import {
  followEvents,
  html,
  keepFresh,
  pageHeader,
  render,
  Session,
  type TemplateResult,
} from '@cuckoo-distributed/page/browser'
import type { Overview } from '../admin/wire.js'
import { Api } from './api.js'
import { DumpView } from './dump.js'
import { DumpsView } from './dumps.js'
import { DumpElsewhereView } from './elsewhere.js'
import { OverviewView } from './overview.js'
import { SampleView } from './samples.js'
import { type Context, focusOn, type View } from './view.js'

const FRESH_MS = 3000
const PARTS = [
  ['#/', 'Overview'],
  ['#/samples', 'Samples'],
  ['#/dumps', 'Dumps'],
] as const

const page = document.getElementById('page')
let overview: Overview | undefined
let isDrawing = false

const session = new Session(draw)
const context: Context = { api: new Api(session), changed: draw, overview: () => overview }
let view: View = viewOf(location.hash)

function viewOf(hash: string): View {
  const [, part = '', rest] = hash.split('/', 3)
  const name = decoded(rest ?? '')
  if (part === 'samples') return new SampleView(context, name)
  if (part === 'dumps') return name === '' ? new DumpsView(context) : new DumpView(context, name)
  if (part === 'elsewhere') return new DumpElsewhereView(context, name)
  return new OverviewView(context)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** Once for all that has changed in the same turn. */
function draw(): void {
  if (isDrawing) return
  isDrawing = true
  queueMicrotask(() => {
    isDrawing = false
    if (page) render(whole(), page)
  })
}

function whole(): TemplateResult {
  document.title = `${view.title} – Overseer`
  return html`${pageHeader({ title: 'Overseer', session, onToken: refresh, beside: navigation() })}
    <main>${view.show()}</main>`
}

function navigation(): TemplateResult {
  const [, part = ''] = location.hash.split('/', 2)
  const isHere = (to: string) => to === `#/${part}`
  return html`<nav aria-label="Parts of the page">
    ${PARTS.map(([to, title]) => html`<a href=${to} aria-current=${isHere(to) ? 'page' : 'false'}>${title}</a>`)}
  </nav>`
}

addEventListener('hashchange', () => {
  view = viewOf(location.hash)
  draw()
  refresh()
  // A screen reader goes on where the new part begins.
  focusOn('main h2')
})

const refresh = keepFresh(session, async () => view.refresh?.(), FRESH_MS)
void followEvents(session, {
  path: 'api/overview',
  signal: new AbortController().signal,
  take: (name, data) => {
    if (name !== 'overview') return
    overview = data as Overview
    draw()
  },
})
draw()
