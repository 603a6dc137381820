/** The document at `/openapi.json`. A test compares its paths and methods with the routes of the server. */

const json = (description: string, schema: object = { type: 'object' }) => ({
  description,
  content: { 'application/json': { schema } },
})
const error = (description: string) => json(description, { $ref: '#/components/schemas/Error' })
const none = json('Done', { type: 'null' })

const query = (name: string, type: string, description: string) => ({
  name,
  in: 'query',
  description,
  schema: { type },
})
const path = (name: string, type: string) => ({ name, in: 'path', required: true, schema: { type } })
const form = (properties: Readonly<Record<string, object>>) => ({
  content: { 'multipart/form-data': { schema: { type: 'object', properties } } },
})

const nodeForm = form({
  name: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
  url: { type: 'string', description: 'Base URL of the Cuckoo REST API' },
})

const taskForm = form({
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
})

const nodePaths = {
  '/node': {
    get: {
      summary: 'The enabled nodes',
      parameters: [query('all', 'boolean', 'Disabled ones as well')],
      responses: { 200: json('By name') },
    },
    post: {
      summary: 'Registers a node, or takes a disabled one back',
      requestBody: nodeForm,
      responses: {
        200: json('Name and machines'),
        400: error('A field is missing or wrong'),
        404: error('There is no Cuckoo at the URL'),
        409: error('Another node has the name or the URL'),
      },
    },
  },
  '/node/{name}': {
    parameters: [path('name', 'string')],
    get: { summary: 'One node', responses: { 200: json('The node'), 404: error('No such node') } },
    put: {
      summary: 'Changes name, URL or enabled',
      requestBody: nodeForm,
      responses: { 200: none, 404: error('No such node'), 409: error('Another node has the name or the URL') },
    },
    delete: {
      summary: 'Disables a node: no new work; what it has is collected',
      responses: { 200: none, 404: error('No such node') },
    },
  },
}

const taskPaths = {
  '/task': {
    get: {
      summary: 'Tasks by id',
      parameters: [
        query('offset', 'integer', 'Tasks to leave out'),
        query('limit', 'integer', 'Most tasks to list; default all'),
        query('finished', 'boolean', 'Only finished and failed ones, or only the others'),
        query('status', 'string', 'pending, submitting, processing, fetching, finished or failed'),
        query('owner', 'string', 'Only of this owner'),
        query('priority', 'integer', 'Only of this priority'),
      ],
      responses: { 200: json('By id'), 400: error('A filter is wrong') },
    },
    post: {
      summary: 'Submits a file or a URL',
      requestBody: taskForm,
      responses: {
        200: json('The id', { type: 'object', properties: { task_id: { type: 'integer' } } }),
        400: error('A field is missing or wrong'),
        413: error('The file is too large'),
        507: error('The disk is full'),
      },
    },
  },
  '/task/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'One task, and why it waits', responses: { 200: json('The task'), 404: error('No such task') } },
    delete: { summary: 'Deletes the task and its reports', responses: { 200: none, 404: error('No such task') } },
  },
  '/report/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'The JSON report', responses: { 200: json('The report'), 404: error('No report, or not yet') } },
  },
  '/report/{id}/{format}': {
    parameters: [path('id', 'integer'), path('format', 'string')],
    get: {
      summary: 'The report in one of the configured formats',
      responses: { 200: { description: 'The report as the node made it' }, 404: error('No report, or not yet') },
    },
  },
}

const cuckooForm = form({ ...taskForm.content['multipart/form-data'].schema.properties, platform: { type: 'string' } })
const created = {
  200: json('The id', { type: 'object', properties: { task_id: { type: 'integer' } } }),
  400: error('A field is missing or wrong'),
  413: error('The file is too large'),
  507: error('The disk is full'),
}
const list = {
  summary: 'Tasks by id, as Cuckoo shows them',
  parameters: [
    query('status', 'string', 'pending, running, completed, reported or failed_analysis'),
    query(
      'completed_after',
      'integer',
      'Only those whose results were stored at or after this time, in seconds since 1970',
    ),
    query('owner', 'string', 'Only of this owner'),
  ],
  responses: { 200: json('The tasks') },
}

/** Cuckoo's own API. */
const cuckooPaths = {
  '/tasks/create/file': { post: { summary: 'Submits a file', requestBody: cuckooForm, responses: created } },
  '/tasks/create/url': { post: { summary: 'Submits a URL', requestBody: cuckooForm, responses: created } },
  '/tasks/view/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'One task', responses: { 200: json('The task'), 404: error('No such task') } },
  },
  '/tasks/list': { get: list },
  '/tasks/list/{limit}': { parameters: [path('limit', 'integer')], get: list },
  '/tasks/list/{limit}/{offset}': { parameters: [path('limit', 'integer'), path('offset', 'integer')], get: list },
  '/tasks/report/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'The JSON report', responses: { 200: json('The report'), 404: error('No report, or not yet') } },
  },
  '/tasks/report/{id}/{format}': {
    parameters: [path('id', 'integer'), path('format', 'string')],
    get: {
      summary: 'A report, or the archive of dropped files',
      responses: {
        200: { description: 'What the node made' },
        400: error('No such format'),
        404: error('No report, or not yet'),
      },
    },
  },
  '/tasks/delete/{id}': {
    parameters: [path('id', 'integer')],
    get: {
      summary: 'Deletes a task that is not running',
      responses: { 200: json('OK'), 404: error('No such task'), 500: error('It is running') },
    },
  },
  '/cuckoo/status': { get: { summary: 'The cluster as one Cuckoo', responses: { 200: json('The status') } } },
  '/machines/list': { get: { summary: 'The machines of all enabled nodes', responses: { 200: json('The machines') } } },
}

export const openApi = {
  openapi: '3.1.0',
  info: { title: 'Distributed Cuckoo', version: process.env.SERVICE_VERSION ?? 'development' },
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
    ...nodePaths,
    ...taskPaths,
    ...cuckooPaths,
    '/status': { get: { summary: 'Counters of nodes and tasks', responses: { 200: json('The status') } } },
    '/': { get: { summary: 'The status as a page', responses: { 200: { description: 'HTML' } } } },
    '/openapi.json': { get: { summary: 'This document', responses: { 200: json('OpenAPI 3.1') } } },
  },
}
