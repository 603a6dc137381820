// What Prometheus is told of a process. Prometheus itself adds which one it is: no label here does.
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { EventName, Happening, Measure, Subject, Telemetry } from '../telemetry.js'
import type { Figure, Reading } from './figures.js'
import { onHttpCalls } from './http-calls.js'

const PREFIX = 'cuckoo_distributed_'
const FIGURE_LIMIT_MS = 2_000
/** Of a label. */
const MOST_VALUES = 50
/** A message may wait for hours, and a sample of a megabyte may be through in a tenth of a second. */
const DELIVERY_SECONDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600]
const CONFIRM_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

/** With which a delivery ends. */
const OUTCOMES: ReadonlySet<EventName> = new Set<EventName>([
  'submitted',
  'reported',
  'stored',
  'forwarded',
  'complete',
  'done',
  'later',
  'given back',
  'failed',
  'retry due',
  'waits for its cause',
  'retried',
  'dumped',
])

type LabelValues = Record<string, string>

export class Metrics implements Telemetry, Disposable {
  readonly #registry = new Registry()
  readonly #deliveries: Counter<'queue' | 'outcome'>
  readonly #seconds: Histogram<'queue'>
  readonly #confirms: Histogram
  readonly #ignoreCalls: () => void

  constructor(version: string) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#deliveries = new Counter({
      name: `${PREFIX}deliveries_total`,
      help: 'Deliveries that have ended, by queue and outcome',
      labelNames: ['queue', 'outcome'],
      registers,
    })
    this.#seconds = new Histogram({
      name: `${PREFIX}delivery_seconds`,
      help: 'From the arrival of a delivery until it was settled, waits included',
      labelNames: ['queue'],
      buckets: DELIVERY_SECONDS,
      registers,
    })
    this.#confirms = new Histogram({
      name: `${PREFIX}confirm_seconds`,
      help: 'From the request to publish a message to the confirm of the broker',
      buckets: CONFIRM_SECONDS,
      registers,
    })
    const calls = new Counter({
      name: `${PREFIX}http_calls_total`,
      help: 'HTTP requests to sandboxes and CRITs, by server and by class of the status (`none`: no answer)',
      labelNames: ['target', 'class'],
      registers,
    })
    this.#ignoreCalls = onHttpCalls((target, result) => calls.inc({ target, class: result }))
    const build = { name: `${PREFIX}build_info`, help: 'Always 1; the version of the program', labelNames: ['version'] }
    new Gauge({ ...build, registers }).set({ version }, 1)
  }

  happened({ queue }: Subject, { event }: Happening): void {
    if (queue !== undefined && OUTCOMES.has(event)) {
      this.#deliveries.inc({ queue, outcome: event.replaceAll(' ', '_') })
    }
  }

  took(measure: Measure, queue: string, seconds: number): void {
    if (measure === 'confirm') this.#confirms.observe(seconds)
    else this.#seconds.observe({ queue }, seconds)
  }

  /** Throws if there is one of that name already. */
  add(figures: readonly Figure[]): void {
    for (const figure of figures) this.#add(figure)
  }

  /** In the text format of Prometheus. Does not reject for a figure that cannot be read. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  [Symbol.dispose](): void {
    this.#ignoreCalls()
    this.#registry.clear()
  }

  #add(figure: Figure): void {
    const options = {
      name: `${PREFIX}${figure.name}`,
      help: figure.help,
      labelNames: figure.label === undefined ? [] : [figure.label],
      registers: [this.#registry],
    }
    const refresh = async (metric: Pick<Gauge, 'reset' | 'remove'>, add: (labels: LabelValues, n: number) => void) => {
      const reading = await readingOf(figure)
      metric.reset()
      if (figure.label === undefined) metric.remove() // it begins with zero, which may not be true
      for (const [value, n] of pairs(reading)) add(figure.label === undefined ? {} : { [figure.label]: value }, n)
    }
    if (figure.kind === 'gauge') {
      const gauge: Gauge = new Gauge({ ...options, collect: () => refresh(gauge, (labels, n) => gauge.set(labels, n)) })
    } else {
      const counter: Counter = new Counter({
        ...options,
        collect: () => refresh(counter, (labels, n) => counter.inc(labels, n)),
      })
    }
  }
}

async function readingOf(figure: Figure): Promise<Reading> {
  using limit = timeLimit(new AbortController().signal, FIGURE_LIMIT_MS, new Error('no answer in time'))
  try {
    return await orAbort(Promise.resolve(figure.read()), limit.signal)
  } catch {
    return undefined // a figure that is missing says so
  }
}

/** What is there twice is added up, and so is what comes after the first fifty. */
function pairs(reading: Reading): Iterable<readonly [string, number]> {
  if (reading === undefined) return []
  if (typeof reading === 'number') return [['', reading]]
  const sums = new Map<string, number>()
  for (const [value, n] of reading) {
    const key = sums.has(value) || sums.size < MOST_VALUES ? value : 'other'
    sums.set(key, (sums.get(key) ?? 0) + n)
  }
  return sums
}
