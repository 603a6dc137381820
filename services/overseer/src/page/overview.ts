// The pipeline at a glance: what is wrong, the picture, the queues.
import { badge, type Column, dataTable, html, since, type TemplateResult } from '@cuckoo-distributed/page/browser'
import type { Alarm, Overview, QueueLine } from '../admin/wire.js'
import { pictureOf } from './picture.js'
import { roomsTable } from './rooms.js'
import { type Context, counted, sampleLink, type View } from './view.js'

export class OverviewView implements View {
  readonly title = 'Overview'
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
    // The picture has another shape where it is narrow.
    matchMedia(NARROW).addEventListener('change', context.changed)
  }

  show(): TemplateResult {
    const overview = this.#context.overview()
    return html`<h2 tabindex="-1">Overview</h2>
      ${overview === undefined ? html`<p class="muted">Looking …</p>` : partsOf(overview)}`
  }
}

const NARROW = '(max-width: 48rem)'

function partsOf(overview: Overview): TemplateResult {
  const { alarms, problems, queues, at } = overview
  return html`
    <div id="alarms" role="status" data-bad=${alarms.filter(({ level }) => level === 'bad').length}>
      ${alarms.length === 0 && problems.length === 0 ? html`<p>${badge('good', 'Nothing is wrong')}</p>` : html`<ul class="alarms">${alarms.map(alarmOf)}${problems.map(problem => html`<li class="warn">${badge('warn', 'not known')} ${problem}</li>`)}</ul>`}
    </div>
    <p id="open">${openText(overview)}</p>
    ${pictureOf(overview, matchMedia(NARROW).matches)}
    ${roomsTable(overview)}
    <h3>Queues</h3>
    ${dataTable({
      label: 'Queues',
      columns: queues.some(({ inPerSecond }) => inPerSecond !== undefined)
        ? [...COLUMNS, ...BROKER_COLUMNS, CONSUMER]
        : [...COLUMNS, CONSUMER],
      rows: queues.filter(queue => queue.role === 'work' || queue.role === 'failed' || isWorthIt(queue)),
      key: ({ name }) => name,
      empty: 'No queue is known.',
    })}
    <p class="muted">As of ${new Date(at).toLocaleTimeString()}.</p>`
}

const COLUMNS: readonly Column<QueueLine>[] = [
  { title: 'Queue', cell: ({ name }) => name },
  { title: 'Messages', isNumber: true, cell: messagesOf },
  { title: 'Consumers', isNumber: true, cell: queue => (queue.state === 'there' ? queue.consumers : undefined) },
  { title: 'Change/s', isNumber: true, cell: ({ changePerSecond }) => signed(changePerSecond) },
]
/** What only its management API tells. */
const BROKER_COLUMNS: readonly Column<QueueLine>[] = [
  { title: 'Unacked', isNumber: true, cell: ({ unacked }) => unacked },
  { title: 'In/s', isNumber: true, cell: ({ inPerSecond }) => rounded(inPerSecond) },
  { title: 'Out/s', isNumber: true, cell: ({ outPerSecond }) => rounded(outPerSecond) },
]
const CONSUMER: Column<QueueLine> = { title: 'Consumed by', cell: ({ service }) => service }

function alarmOf({ level, text, advice }: Alarm): TemplateResult {
  return html`<li class=${level}>${badge(level, level === 'bad' ? 'wrong' : 'note')} <strong>${text}</strong>${advice === undefined ? '' : html`<br><span class="advice">${advice}</span>`}</li>`
}

function openText({ open, at }: Overview): unknown {
  if (open === undefined) return 'Samples under way: not known'
  const { count, oldest } = open
  if (oldest === undefined) return `${counted(count, 'sample')} under way`
  return html`${counted(count, 'sample')} under way; the oldest is <a href=${sampleLink(oldest.analysis)}>${oldest.analysis}</a>, first heard of ${since(oldest.since, at)}`
}

/** Delays and the like are shown when something is in them. */
function isWorthIt(queue: QueueLine): boolean {
  return queue.state === 'unknown' || (queue.state === 'there' && queue.messages > 0)
}

function messagesOf(queue: QueueLine): unknown {
  return queue.state === 'there' ? queue.messages : queue.state
}

function signed(value: number | undefined): string | undefined {
  if (value === undefined) return undefined
  return `${value > 0 ? '+' : ''}${rounded(value)}`
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 10) / 10
}
