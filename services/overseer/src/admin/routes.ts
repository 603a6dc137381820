// The HTTP API of the page.
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  ConfigError,
  describeError,
  errorCode,
  InvalidMessageError,
  toError,
  validator,
} from '@cuckoo-distributed/core'
import Type from 'typebox'
import type { OverseerConfig } from '../config.js'
import { FILTERS } from '../dumps/select.js'
import { findSamples } from '../where.js'
import { tellReport } from '../where-text.js'
import { readJson, sendJson } from './exchange.js'
import type { Operations } from './operations.js'
import type { DumpResult } from './wire.js'

export interface RouteContext {
  readonly config: OverseerConfig
  readonly operations: Operations
  readonly isReadOnly: boolean
  /** Follows the pipeline until the client leaves. */
  readonly follow: (response: ServerResponse) => void
  /** Ends when the client leaves, or the process stops. */
  readonly signal: AbortSignal
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** What stood in place of `:name`. */
  readonly name: string
}

type Route = (exchange: Exchange, context: RouteContext) => Promise<void> | void

const Chosen = Type.Object({
  names: Type.Array(Type.String(), { minItems: 1, maxItems: 10_000 }),
  to: Type.Optional(Type.String({ minLength: 1 })),
})
const isChosen = validator(Chosen)
const isText = validator(Type.Object({ text: Type.String(), version: Type.String() }))
const WAIT_MS = 2000
const MOST_ASKED = 20

/** Method and path; those that change something are not GET. */
export const ROUTES: Readonly<Record<string, Route>> = {
  'GET /api/overview': ({ response }, { follow }) => follow(response),
  'GET /api/samples': async ({ url, response }, { config, signal }) => {
    const asked = url.searchParams
      .getAll('what')
      .flatMap(text => text.split(/[\s,]+/))
      .filter(text => text !== '')
    if (asked.length === 0 || asked.length > MOST_ASKED) {
      throw new ConfigError('what', [`1 to ${MOST_ASKED} of MD5, id of an analysis, number of a task`])
    }
    sendJson(response, 200, tellReport(await findSamples(asked, config, { limitMs: WAIT_MS }, signal)))
  },
  'GET /api/dumps': async ({ url, response }, { operations }) => {
    sendJson(response, 200, await operations.causes(filtersOf(url)))
  },
  'GET /api/elsewhere': async ({ url, response }, { operations, signal }) => {
    sendJson(response, 200, await operations.elsewhere(filtersOf(url), signal))
  },
  'GET /api/elsewhere/:name': async ({ response, name }, { operations, signal }) => {
    sendJson(response, 200, await operations.detailsElsewhere(name, signal))
  },
  'GET /api/dumps/:name': async ({ response, name }, { operations }) => {
    sendJson(response, 200, await operations.details(name))
  },
  'GET /api/dumps/:name/text': async ({ response, name }, { operations }) => {
    sendJson(response, 200, await operations.text(name))
  },
  'PUT /api/dumps/:name/text': async ({ request, response, name }, { operations }) => {
    const isChanged = await operations.edit(name, await readJson(request, isText))
    sendJson(response, 200, { isChanged })
  },
  'POST /api/resubmit': async ({ request, response }, { operations, signal }) => {
    const { names, to } = await readJson(request, isChosen)
    await sendLines(response, operations.resubmit(names, to, signal))
  },
  'POST /api/delete': async ({ request, response }, { operations, signal }) => {
    const { names } = await readJson(request, isChosen)
    await sendLines(response, operations.delete(names, signal))
  },
}

function filtersOf({ searchParams }: URL): Record<string, string> {
  const given = Object.keys(FILTERS).map(name => [name, searchParams.get(name) ?? ''] as const)
  return Object.fromEntries(given.filter(([, value]) => value !== ''))
}

/** A line of JSON for each result as it comes, so that the page can show how far it is. */
async function sendLines(response: ServerResponse, results: AsyncGenerator<DumpResult>): Promise<void> {
  for await (const result of results) {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify(result)}\n`)
  }
  response.end()
}

/** What an error of a route is to the client. */
export function statusOf(thrown: unknown): { readonly status: number; readonly message: string } {
  const error = toError(thrown)
  if (error instanceof ConfigError) return { status: 400, message: error.problems.join('; ') }
  if (error instanceof InvalidMessageError) return { status: 422, message: describeError(error) }
  const status = STATUS[errorCode(error)] ?? 500
  return { status, message: describeError(error) }
}

const STATUS: Readonly<Record<string, number>> = {
  NO_SUCH_DUMP: 404,
  ENOENT: 404,
  IN_OTHER_HANDS: 409,
  CHANGED_MEANWHILE: 409,
  BODY_TOO_LARGE: 413,
  NO_JSON: 415,
  BROKER_AWAY: 503,
}
