/** The document at `/openapi.json`, and the words that the paths of each API are written in. */
import { SERVICE_VERSION } from '@cuckoo-distributed/core'

/** What an API offers, by path. A test compares paths and methods with the routes of the server. */
export type Paths = Readonly<Record<string, object>>

export const json = (description: string, schema: object = { type: 'object' }) => ({
  description,
  content: { 'application/json': { schema } },
})
export const error = (description: string) => json(description, { $ref: '#/components/schemas/Error' })
export const none = json('Done', { type: 'null' })

export const query = (name: string, type: string, description: string) => ({
  name,
  in: 'query',
  description,
  schema: { type },
})
export const path = (name: string, type: string) => ({ name, in: 'path', required: true, schema: { type } })
export const form = (properties: Readonly<Record<string, object>>) => ({
  content: { 'multipart/form-data': { schema: { type: 'object', properties } } },
})

/** The fields of a submission, without those that only one API has. */
export const taskFields = {
  file: { type: 'string', format: 'binary', description: 'The sample; either this or url' },
  url: { type: 'string', description: 'A URL to visit; either this or file' },
  package: { type: 'string' },
  timeout: { type: 'integer', minimum: 0, description: 'Seconds' },
  priority: { type: 'integer', default: 1 },
  options: { type: 'string', description: 'key=value pairs, separated by commas' },
  machine: { type: 'string' },
  platform: { type: 'string', default: 'windows' },
  tags: { type: 'string', description: 'Separated by commas' },
  custom: { type: 'string' },
  owner: { type: 'string' },
  memory: { type: 'string', description: 'Full memory dump: 1, true, yes, on, 0, false, no, off' },
  clock: { type: 'string', description: 'MM-DD-YYYY HH:MM:SS, or seconds since 1970' },
  enforce_timeout: { type: 'string', description: '1, true, yes, on, 0, false, no, off' },
}

export const created = {
  200: json('The id', { type: 'object', properties: { task_id: { type: 'integer' } } }),
  400: error('A field is missing or wrong'),
  413: error('The file is too large'),
  507: error('The disk is full'),
}

export function documentOf(paths: readonly Paths[]) {
  return {
    openapi: '3.1.0',
    info: { title: 'Distributed Cuckoo', version: SERVICE_VERSION },
    security: [{}, { token: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Error: {
          type: 'object',
          required: ['message', 'status'],
          properties: { message: { type: 'string' }, status: { type: 'integer' } },
        },
      },
    },
    paths: {
      ...Object.assign({}, ...paths),
      '/openapi.json': { get: { summary: 'This document', responses: { 200: json('OpenAPI 3.1') } } },
    },
  }
}
