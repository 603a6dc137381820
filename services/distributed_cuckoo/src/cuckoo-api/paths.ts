/** Cuckoo's own API in OpenAPI's words. */
import { created, error, form, json, type Paths, path, query, taskFields } from '../server/openapi.js'

const cuckooForm = form({ ...taskFields, platform: { type: 'string' } })
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

const file = {
  summary: 'A sample, and the tasks that have it',
  responses: { 200: json('The sample'), 404: error('No such sample') },
}

const again = {
  summary: 'Submits the sample or URL of a task once more, as a task of its own',
  responses: { ...created, 404: error('No such task'), 500: error('Its sample is gone') },
}

const kept = (summary: string) => ({
  summary,
  responses: { 200: { description: 'What the node has' }, 404: error('Not fetched, none, or not yet') },
})

const unversioned = {
  '/tasks/create/file': { post: { summary: 'Submits a file', requestBody: cuckooForm, responses: created } },
  '/tasks/create/url': { post: { summary: 'Submits a URL', requestBody: cuckooForm, responses: created } },
  '/tasks/create/submit': {
    post: {
      summary: 'Submits several files, or several URLs as lines of strings',
      requestBody: form({ ...taskFields, strings: { type: 'string' } }),
      responses: { ...created, 200: json('The ids, and what was refused') },
    },
  },
  '/tasks/view/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'One task', responses: { 200: json('The task'), 404: error('No such task') } },
  },
  '/tasks/list': { get: list },
  '/tasks/list/{limit}': { parameters: [path('limit', 'integer')], get: list },
  '/tasks/list/{limit}/{offset}': { parameters: [path('limit', 'integer'), path('offset', 'integer')], get: list },
  '/tasks/report/{id}': {
    parameters: [path('id', 'integer'), query('elements', 'string', 'Only this section')],
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
  '/tasks/summary/{id}': {
    parameters: [path('id', 'integer')],
    get: {
      summary: 'The JSON report without its large sections',
      responses: { 200: json('The report'), 404: error('No report, or not yet') },
    },
  },
  '/pcap/get/{id}': { parameters: [path('id', 'integer')], get: kept('The capture of the network') },
  '/tasks/screenshots/{id}': { parameters: [path('id', 'integer')], get: kept('An archive of the screenshots') },
  '/memory/list/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'The dumps of processes', responses: { 200: json('Their names'), 404: error('None, or not yet') } },
  },
  '/memory/get/{id}/{name}': {
    parameters: [path('id', 'integer'), path('name', 'string')],
    get: kept('The dump of a process'),
  },
  '/tasks/sample/{id}': { parameters: [path('id', 'integer')], get: { ...list, parameters: [] } },
  '/tasks/reschedule/{id}': { parameters: [path('id', 'integer')], get: again },
  '/tasks/reschedule/{id}/{priority}': { parameters: [path('id', 'integer'), path('priority', 'integer')], get: again },
  '/tasks/rereport/{id}': {
    parameters: [path('id', 'integer')],
    get: { summary: 'Not possible here', responses: { 404: error('No such task'), 501: error('Always') } },
  },
  '/files/view/md5/{digest}': { parameters: [path('digest', 'string')], get: file },
  '/files/view/sha256/{digest}': { parameters: [path('digest', 'string')], get: file },
  '/files/view/id/{id}': { parameters: [path('id', 'integer')], get: file },
  '/files/get/{digest}': {
    parameters: [path('digest', 'string')],
    get: {
      summary: 'A sample by its SHA-256, while a task still needs it',
      responses: { 200: { description: 'The sample' }, 404: error('No such sample, or not any more') },
    },
  },
  '/machines/view/{name}': {
    parameters: [path('name', 'string')],
    get: { summary: 'A machine by its name', responses: { 200: json('The machine'), 404: error('No such machine') } },
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

export const paths: Paths = Object.fromEntries(
  ['', '/v1'].flatMap(version => Object.entries(unversioned).map(([name, item]) => [`${version}${name}`, item])),
)
