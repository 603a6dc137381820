/** The Distributed Cuckoo API in OpenAPI's words. */
import { created, error, form, json, none, type Paths, path, query, taskFields } from '../server/openapi.js'

const nodeForm = form({
  name: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
  url: { type: 'string', description: 'Base URL of the Cuckoo REST API' },
  max_pending: { type: 'integer', description: 'Pending tasks that it may have; empty: as many as Threshold says' },
})

const node = { type: 'string', description: 'Name of the only node that may have it' }

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
  '/node/{name}/purge': {
    parameters: [path('name', 'string')],
    post: {
      summary: 'Disables a node and gives its tasks to others',
      requestBody: form({
        fail: { type: 'string', description: 'Its tasks fail instead, and their copies are deleted: 1 or 0' },
        forget: { type: 'string', description: 'It never comes back; what it has is not asked for any more: 1 or 0' },
      }),
      responses: { 200: json('The ids of its tasks'), 404: error('No such node') },
    },
  },
  '/node/{name}/refresh': {
    parameters: [path('name', 'string')],
    post: {
      summary: 'Reads the machines of a node again',
      responses: { 200: json('Name and machines'), 404: error('No such node, or no Cuckoo at its URL') },
    },
  },
}

/** Filters of lists, and of what is done with many tasks at once. */
const ofTasks = [
  query('owner', 'string', 'Only of this owner'),
  query('priority', 'integer', 'Only of this priority'),
  query('sha256', 'string', 'Only of this sample'),
  query('md5', 'string', 'Only of this sample'),
]

const taskPaths = {
  '/task': {
    get: {
      summary: 'Tasks by id',
      parameters: [
        query('offset', 'integer', 'Tasks to leave out'),
        query('limit', 'integer', 'Most tasks to list; default all'),
        query('finished', 'boolean', 'Only finished and failed ones, or only the others'),
        query('status', 'string', 'pending, submitting, processing, fetching, finished or failed'),
        ...ofTasks,
      ],
      responses: { 200: json('By id'), 400: error('A filter is wrong') },
    },
    delete: {
      summary: 'Deletes tasks that fit, if nothing can come of them any more; at most 500 at a time',
      parameters: [
        query('status', 'string', 'Only in this state'),
        query('finished', 'boolean', 'Only finished and failed ones'),
        ...ofTasks,
        query('limit', 'integer', 'Most tasks to delete'),
        query('dry_run', 'boolean', 'Only tells which it would be'),
      ],
      responses: { 200: json('The ids, and those that are kept'), 400: error('There is no filter, or a wrong one') },
    },
    post: {
      summary: 'Submits a file or a URL',
      requestBody: form({ ...taskFields, node }),
      responses: created,
    },
  },
  '/task/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'One task, and why it waits', responses: { 200: json('The task'), 404: error('No such task') } },
    put: {
      summary: 'Changes a pending task; what is left out stays',
      requestBody: form({ priority: taskFields.priority, tags: taskFields.tags, node }),
      responses: {
        200: none,
        400: error('A field is wrong'),
        404: error('No such task or node'),
        409: error('It is not pending any more'),
      },
    },
    delete: { summary: 'Deletes the task and its reports', responses: { 200: none, 404: error('No such task') } },
  },
  '/task/{id}/reschedule': {
    parameters: [path('id', 'integer')],
    post: {
      summary: 'Has a failed task tried again, under its id',
      responses: {
        200: none,
        404: error('No such task'),
        409: error('It has not failed, or its sample is gone'),
        503: error('What it has left is still being removed'),
      },
    },
  },
  '/task/reschedule': {
    post: {
      summary: 'Has all failed tasks that fit tried again',
      parameters: [
        ...ofTasks,
        query('offset', 'integer', 'Tasks to leave out'),
        query('limit', 'integer', 'Most tasks to try again; default all'),
        query('dry_run', 'boolean', 'Only tells which it would be'),
      ],
      responses: { 200: json('The ids, and why others were refused'), 400: error('A filter is wrong') },
    },
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

export const paths: Paths = {
  ...nodePaths,
  ...taskPaths,
  '/status': { get: { summary: 'Counters of nodes and tasks', responses: { 200: json('The status') } } },
  '/': { get: { summary: 'The status as a page', responses: { 200: { description: 'HTML' } } } },
}
