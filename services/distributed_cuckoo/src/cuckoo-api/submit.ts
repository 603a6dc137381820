/** `/tasks/create`: a file, a URL, or several of either. */
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { badRequest } from '../server/fields.js'
import { newTask, readTaskOptions, receiveTask, receiveTasks } from '../server/submission.js'
import type { Submission } from '../server/upload.js'
import type { NewTask } from '../store/model.js'

const RULES = {
  // Cuckoo takes the machine that is free when no platform is named.
  defaultPlatform: null,
  emptyNumbers: 'absent',
  unique: true,
} as const

/** Of one `/tasks/create/submit`. */
const MAX_TASKS = 100

export function submissionRoutes(app: FastifyInstance, context: ServerContext, version: string): void {
  for (const kind of ['file', 'url'] as const) {
    app.post(`${version}/tasks/create/${kind}`, async request => {
      return { task_id: await receiveTask(request, context, { ...RULES, accepts: [kind] }) }
    })
  }

  app.post(`${version}/tasks/create/submit`, async request => {
    const errors: string[] = []
    const makeTasks = async (submission: Submission) => {
      const { tasks, refused } = readSubmit(submission)
      errors.push(...refused)
      return tasks
    }
    const ids = await receiveTasks(request, context, { parts: ['file', 'files'], maxFiles: MAX_TASKS, makeTasks })
    // Nothing here is called by the id of a submission, so that the first task's will do.
    return { submit_id: ids[0] ?? null, task_ids: ids, errors }
  })
}

/**
 * Files, or else URLs, one a line; archives are not unpacked, and hashes not looked up (`cuckoosandbox/cuckoo:cuckoo/core/submit.py`
 * does both).
 */
function readSubmit({ fields, files }: Submission): { readonly tasks: NewTask[]; readonly refused: string[] } {
  const given = readTaskOptions(fields, RULES)
  // As `tasks_create_submit` does, unless the client says otherwise.
  const parts = (given.options ?? '').split(',').filter(part => part !== '')
  const isSet = parts.some(part => part.trim().startsWith('procmemdump='))
  const options = { ...given, options: [...parts, ...(isSet ? [] : ['procmemdump=yes'])].join(',') }
  if (files.length > 0) return { tasks: files.map(file => newTask(options, file)), refused: [] }
  const lines = (fields.get('strings') ?? '').split('\n').map(line => line.trim())
  const strings = lines.filter(line => line !== '')
  if (strings.length === 0) throw badRequest('No files or strings have been given!')
  if (strings.length > MAX_TASKS) throw badRequest(`More than ${MAX_TASKS} strings`)
  const urls = strings.map(line => ({ line, url: addressIn(line) }))
  return {
    tasks: urls.flatMap(({ url }) => (url === undefined ? [] : [newTask(options, url)])),
    refused: urls.flatMap(({ line, url }) => (url === undefined ? [`'${line.slice(0, 100)}' is not a url`] : [])),
  }
}

/** Cuckoo puts the scheme before an address that has none. */
function addressIn(line: string): string | undefined {
  const url = /^https?:\/\//i.test(line) ? line : `http://${line}`
  return /^[^\s/]+\.[^\s/]+/.test(url.replace(/^https?:\/\//i, '')) && URL.canParse(url) ? url : undefined
}
