// Spans of what a process does with messages, after OpenTelemetry's conventions for messaging
// (`open-telemetry/semantic-conventions:docs/messaging/messaging-spans.md`), sent to a collector by OTLP over HTTP.
import { AsyncLocalStorage } from 'node:async_hooks'
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import {
  type Attributes,
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type Tracer as SpanMaker,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { errorCode } from '../errors.js'
import type { HeaderTable } from '../headers.js'
import type { Arrival, Departure, Happening, Subject, Telemetry } from '../telemetry.js'
import type { Activities, Activity, RunningActivity } from './activity.js'
import { onCalls } from './calls.js'

const SCOPE = 'cuckoo_distributed'
/** For what is left when the process ends; a collector that hangs keeps nobody. */
const LAST_SPANS_MS = 2_000

/** Whose spans they are. */
export interface TracedProcess {
  readonly service: string
  readonly version: string
  readonly instance: string
}

/** The delivery that is worked on in this asynchronous context. */
interface Work {
  readonly span: Span
  readonly context: Context
  /** What it has begun may go on for others, and is then no part of it. */
  isOver: boolean
}

export class Tracer implements Telemetry, Activities {
  readonly #provider: BasicTracerProvider
  readonly #tracer: SpanMaker
  readonly #work = new AsyncLocalStorage<Work>()
  readonly #ignoreCalls: () => void

  constructor({ service, version, instance }: TracedProcess, env: Readonly<Record<string, string | undefined>>) {
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.name': env.OTEL_SERVICE_NAME || service,
        'service.version': version,
        'service.instance.id': instance,
      }),
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
    })
    this.#tracer = this.#provider.getTracer(SCOPE, version)
    this.#ignoreCalls = onCalls(({ name, attributes, headers }) => {
      const work = this.#working
      if (!work) return undefined
      const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, work.context)
      propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter)
      return span
    })
  }

  get current(): string | undefined {
    const headers: { traceparent?: string } = {}
    const work = this.#working
    if (work) propagator.inject(work.context, headers, defaultTextMapSetter)
    return headers.traceparent
  }

  begin({ name, request, follows, attributes }: Activity): RunningActivity {
    const link = trace.getSpanContext(contextIn({ traceparent: follows }))
    const kind = request === undefined ? SpanKind.INTERNAL : SpanKind.SERVER
    const links = link ? [{ context: link }] : []
    const span = this.#tracer.startSpan(name, { kind, attributes, links }, contextIn(request ?? {}))
    const work: Work = { span, context: trace.setSpan(ROOT_CONTEXT, span), isOver: false }
    return {
      run: inner => this.#work.run(work, inner),
      end({ status, error }) {
        work.isOver = true
        if (status !== undefined) span.setAttribute('http.response.status_code', status)
        if (error !== undefined) fails(span, errorCode(error))
        else if (status !== undefined && status >= 500) fails(span, String(status))
        span.end()
      },
    }
  }

  get #working(): Work | undefined {
    const work = this.#work.getStore()
    return work?.isOver ? undefined : work
  }

  async working<T>(arrival: Arrival, work: () => Promise<T>): Promise<T> {
    const { queue, isWait, messageId, bytes } = arrival
    const sender = contextIn(arrival.headers)
    const linked = isWait ? trace.getSpanContext(sender) : undefined
    const about: Attributes = {
      'messaging.message.body.size': bytes,
      ...(messageId !== undefined && { 'messaging.message.id': messageId }),
    }
    const receive = this.#tracer.startSpan(
      `receive ${queue}`,
      {
        kind: SpanKind.CLIENT,
        attributes: { ...messaging(queue, 'receive', 'receive'), ...about },
        links: linked ? [{ context: linked }] : [],
        root: isWait,
      },
      sender,
    )
    const received = trace.setSpan(ROOT_CONTEXT, receive)
    receive.end()
    const attributes = { ...messaging(queue, 'process', 'process'), ...about }
    const span = this.#tracer.startSpan(`process ${queue}`, { kind: SpanKind.CONSUMER, attributes }, received)
    const current: Work = { span, context: trace.setSpan(ROOT_CONTEXT, span), isOver: false }
    try {
      return await this.#work.run(current, work)
    } finally {
      current.isOver = true
      span.end()
    }
  }

  async sending<T>({ queue, headers, bytes }: Departure, publish: (headers: HeaderTable) => Promise<T>): Promise<T> {
    const attributes = { ...messaging(queue, 'send', 'send'), 'messaging.message.body.size': bytes }
    const parent = this.#working?.context ?? contextIn(headers)
    const span = this.#tracer.startSpan(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes }, parent)
    const traced = { ...headers }
    propagator.inject(trace.setSpan(ROOT_CONTEXT, span), traced, defaultTextMapSetter)
    try {
      return await publish(traced)
    } catch (thrown: unknown) {
      fails(span, errorCode(thrown))
      throw thrown
    } finally {
      span.end()
    }
  }

  settled(queue: string, how: 'ack' | 'nack'): void {
    const work = this.#working
    if (!work) return
    const attributes = messaging(queue, 'settle', how)
    this.#tracer.startSpan(`${how} ${queue}`, { kind: SpanKind.CLIENT, attributes }, work.context).end()
  }

  happened({ analysisId, md5, taskId, attempt }: Subject, { event, at, code, reason, to }: Happening): void {
    const span = this.#working?.span
    if (!span) return
    span.setAttributes(present({ analysis_id: analysisId, md5, task_id: taskId, attempt }))
    span.addEvent(event, present({ code, reason, to }), at)
    if (event === 'failed') fails(span, code ?? 'failed')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ignoreCalls()
    using limit = timeLimit(new AbortController().signal, LAST_SPANS_MS, new Error('the collector does not answer'))
    // Spans that cannot be sent are lost, and harm nothing.
    await orAbort(this.#provider.shutdown(), limit.signal).catch(() => undefined)
  }
}

const propagator = new W3CTraceContextPropagator()

/** The context of what was sent with these headers; none if they hold none that is well-formed. */
function contextIn(headers: Readonly<Record<string, unknown>>): Context {
  return propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
}

function messaging(queue: string, type: 'receive' | 'process' | 'send' | 'settle', name: string): Attributes {
  return {
    'messaging.system': 'rabbitmq',
    'messaging.operation.type': type,
    'messaging.operation.name': name,
    'messaging.destination.name': queue,
    'messaging.rabbitmq.destination.routing_key': queue,
  }
}

function fails(span: Span, code: string): void {
  span.setAttribute('error.type', code)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** Attributes of our own, those that are known. */
function present(values: Readonly<Record<string, string | number | undefined>>): Attributes {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[`${SCOPE}.${name}`, value]])),
  )
}
