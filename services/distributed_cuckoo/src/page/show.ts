import {
  alertText,
  html,
  lengthOf,
  nothing,
  pageHeader,
  render,
  type Session,
  since,
  type TemplateResult,
} from '@cuckoo-distributed/page/browser'
import type { Status } from './api.js'
import type { Cluster } from './cluster.js'
import { nodesPart } from './nodes.js'
import { failedPart, taskPart } from './tasks.js'
import { waitingPart } from './waiting.js'

export interface Shown {
  readonly session: Session
  readonly cluster: Cluster
  readonly refresh: () => void
}

/** Brings the document up to date. */
export function show({ session, cluster, refresh }: Shown): void {
  const root = document.getElementById('page')
  if (root === null) return
  const { status, problem, told } = cluster
  render(
    html`${pageHeader({ title: 'Distributed Cuckoo', session, onToken: refresh })}
      <main>
        ${alertText(problem)}
        <p role="status" id="told">${told}</p>
        ${status === undefined ? nothing : partsOf(status, cluster)}
      </main>`,
    root,
  )
}

function partsOf(status: Status, cluster: Cluster): TemplateResult {
  return html`${alertText(status.dist.problem ?? '')}
    ${figuresPart(status)}
    ${nodesPart(status, cluster)}
    ${failedPart(status, cluster)}
    ${waitingPart(status)}
    ${taskPart(cluster)}`
}

function figuresPart({ tasks, dist, last_cycle, timestamp }: Status): TemplateResult {
  const figures: readonly (readonly [name: string, id: string, value: string | number])[] = [
    ['pending', 'pending', tasks.pending],
    ['processing', 'processing', tasks.processing],
    ['finished', 'finished', tasks.processed - tasks.failed],
    ['failed', 'failed', tasks.failed],
    [
      'oldest pending',
      'oldest',
      tasks.oldest_pending === null ? 'none' : lengthOf((timestamp - tasks.oldest_pending) * 1000),
    ],
    ['last cycle', 'cycle', last_cycle === null ? 'never' : since(last_cycle * 1000, timestamp * 1000)],
    ['free disk space', 'disk', `${(dist.diskspace.free / 2 ** 30).toFixed(1)} GiB`],
  ]
  return html`<h2>Tasks</h2>
    <dl class="figures">${figures.map(([name, id, value]) => html`<div><dt>${name}</dt><dd id=${id}>${value}</dd></div>`)}</dl>`
}
