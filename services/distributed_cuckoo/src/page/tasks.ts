import {
  badge,
  type Column,
  confirmed,
  dataTable,
  html,
  type Moment,
  nothing,
  since,
  type TemplateResult,
  type Tone,
  timeLine,
} from '@cuckoo-distributed/page/browser'
import type { Status, Task, WholeTask } from './api.js'
import type { Cluster } from './cluster.js'

const TONES: Readonly<Record<string, Tone>> = { finished: 'good', failed: 'bad', pending: 'idle' }

export function failedPart({ tasks, timestamp }: Status, cluster: Cluster): TemplateResult {
  const { failed, isBusy } = cluster
  const columns: readonly Column<Task>[] = [
    { title: 'task', cell: ({ id }) => id },
    { title: 'sample', cell: ({ filename, url }) => filename ?? url },
    { title: 'node', cell: ({ node }) => node },
    { title: 'tries', isNumber: true, cell: ({ attempts }) => attempts },
    {
      title: 'failed',
      isNumber: true,
      cell: task => task.completed_on && since(task.completed_on * 1000, timestamp * 1000),
    },
    { title: 'reason', cell: ({ error }) => error },
    { title: 'actions', cell: task => actionsOf(task, cluster) },
  ]
  const all = async () => {
    const text = `${tasks.failed} have failed. Those whose sample is gone stay as they are.`
    if (await confirmed({ title: 'Retry all failed tasks?', text, action: 'Try all again' }))
      await cluster.tryAllAgain()
  }
  return html`<h2>Failed tasks</h2>
    ${dataTable({ label: 'Failed tasks', columns, rows: failed, key: ({ id }) => id, empty: 'None has failed.' })}
    <p class="muted" ?hidden=${tasks.failed <= failed.length}>The newest ${failed.length} of ${tasks.failed}.</p>
    ${failed.length === 0 ? nothing : html`<p><button type="button" aria-disabled=${isBusy} @click=${all}>Try all again</button></p>`}`
}

function actionsOf({ id }: Task, cluster: Cluster): TemplateResult {
  return html`<div class="buttons">
    <button type="button" aria-label="Look at task ${id}" aria-disabled=${cluster.isBusy} @click=${() => lookAt(id, cluster)}>Look</button>
    <button type="button" aria-label="Try again: task ${id}" aria-disabled=${cluster.isBusy} @click=${() => cluster.tryAgain(id)}>Try again</button>
  </div>`
}

async function lookAt(id: number, cluster: Cluster): Promise<void> {
  await cluster.lookAt(id)
  document.getElementById('task')?.focus()
}

/** One task, by its number, and its life. */
export function taskPart(cluster: Cluster): TemplateResult {
  const { task } = cluster
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const id = Number(new FormData(event.currentTarget).get('id'))
    if (Number.isSafeInteger(id) && id > 0) void lookAt(id, cluster)
  }
  return html`<h2 id="task" tabindex="-1">${task === undefined ? 'A task' : `Task ${task.id}`}</h2>
    <form @submit=${submit}>
      <label>Number <input name="id" type="number" min="1" required></label>
      <button aria-disabled=${cluster.isBusy}>Look</button>
    </form>
    ${task === undefined ? nothing : taskView(task, cluster)}`
}

function taskView(task: WholeTask, cluster: Cluster): TemplateResult {
  const { id, status, filename, url, owner, node, waiting } = task
  const missing = Object.entries(task.missing_reports)
  const facts: readonly (readonly [name: string, value: unknown])[] = [
    ['state', badge(TONES[status] ?? 'busy', status)],
    ['sample', filename ?? url],
    ['node', node],
    ['owner', owner],
    ['waits', waiting],
    ['missing reports', missing.map(([format, { reason }]) => `${format}: ${reason ?? 'unknown'}`).join('; ')],
  ]
  return html`<dl class="facts">${facts.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    ${status === 'finished' ? html`<p><button type="button" aria-disabled=${cluster.isBusy} @click=${() => cluster.saveReport(id)}>Save the report</button></p>` : nothing}
    ${timeLine(`Life of task ${id}`, momentsOf(task))}`
}

function momentsOf({ status, added_on, completed_on, error, retries }: WholeTask): Moment[] {
  const moments: Moment[] = retries.map(({ at, attempt, reason }) => {
    return {
      at: at * 1000,
      what: attempt === 0 ? 'not sent' : `attempt ${attempt} failed`,
      tone: 'warn',
      detail: reason,
    }
  })
  if (added_on !== null) moments.unshift({ at: added_on * 1000, what: 'submitted', tone: 'idle' })
  if (completed_on !== null) {
    moments.push({ at: completed_on * 1000, what: status, tone: TONES[status] ?? 'busy', detail: error ?? undefined })
  }
  return moments
}
