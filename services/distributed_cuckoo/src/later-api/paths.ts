/** The API of Cuckoo 2.0 in OpenAPI's words. */
import { error, form, json, type Paths, path, query, taskFields } from '../server/openapi.js'

const success = json('success: true')
const nodeForm = form({
  name: { type: 'string' },
  url: { type: 'string', description: 'Base URL of the Cuckoo REST API' },
  ip: { type: 'string', description: 'Of a Cuckoo at port 8090, in place of url' },
})
const nodes = { summary: 'All nodes by name', responses: { 200: json('By name') } }
const files = (summary: string) => ({
  summary,
  responses: { 200: { description: 'The file' }, 404: error('None, or not any more'), 420: error('Not finished yet') },
})
const statistics = {
  summary: 'Tasks over time, and what waits by priority',
  parameters: [
    query('include', 'string', 'Only these figures, separated by commas'),
    query('period', 'string', 'Only these of hour, day, week and month'),
    query('nodes', 'string', 'Only these nodes, separated by commas'),
  ],
  responses: { 200: json('By figure'), 400: error('A parameter is wrong') },
}

const unversioned = {
  '/node': {
    get: { ...nodes, parameters: [query('mode', 'string', 'workers: the names of enabled nodes, as text')] },
    post: {
      summary: 'Registers a node',
      requestBody: nodeForm,
      responses: { 200: success, 404: error('No field, or no Cuckoo'), 409: error('There is one of this name or URL') },
    },
  },
  '/node/{name}': {
    parameters: [path('name', 'string')],
    get: nodes,
    put: { summary: 'Changes name, URL or enabled', requestBody: nodeForm, responses: { 200: success } },
    delete: { summary: 'Disables a node', responses: { 200: success, 404: error('No such node') } },
  },
  '/node/{name}/refresh': {
    parameters: [path('name', 'string')],
    post: { summary: 'Reads the machines again', responses: { 200: json('Its machines'), 404: error('No such node') } },
  },
  '/task': {
    get: {
      summary: 'Tasks by id',
      parameters: [
        query('status', 'string', 'pending, assigned, processing, finished or deleted'),
        query('finished', 'boolean', 'Only finished ones, or only the others'),
        query('owner', 'string', 'Only of this owner'),
        query('priority', 'integer', 'Only of this priority'),
        query('offset', 'integer', 'Tasks to leave out'),
        query('limit', 'integer', 'Most tasks to list'),
      ],
      responses: { 200: json('By id'), 400: error('A parameter is wrong') },
    },
    post: {
      summary: 'Submits a file or a URL',
      requestBody: form({ ...taskFields, platform: { type: 'string' }, node: { type: 'string' } }),
      responses: { 200: json('The id'), 400: error('A field is wrong'), 404: error('No file, or no such node') },
    },
  },
  '/task/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'One task', responses: { 200: json('The task'), 404: error('No such task') } },
    delete: {
      summary: 'Deletes the task and its reports',
      responses: { 200: json('success; false: it was deleted before'), 404: error('There never was such a task') },
    },
  },
  '/tasks': {
    delete: {
      summary: 'Deletes several tasks',
      requestBody: form({ task_ids: { type: 'string', description: 'Separated by blanks; at most 500' } }),
      responses: { 200: success, 400: error('One is no id') },
    },
  },
  '/report/{id}': { parameters: [path('id', 'integer')], get: files('The JSON report') },
  '/report/{id}/{format}': {
    parameters: [path('id', 'integer'), path('format', 'string')],
    get: files('A report as the node made it'),
  },
  '/pcap/{id}': { parameters: [path('id', 'integer')], get: files('The capture of the network') },
  '/status': { get: { summary: 'Nodes and numbers of tasks', responses: { 200: json('The status') } } },
  '/stats': { get: statistics },
  '/stats/{date}': { parameters: [path('date', 'string')], get: statistics },
  '/stats/{date}/{time}': { parameters: [path('date', 'string'), path('time', 'string')], get: statistics },
}

export const paths: Paths = Object.fromEntries(
  ['/api', '/api/v1'].flatMap(base => Object.entries(unversioned).map(([name, item]) => [`${base}${name}`, item])),
)
