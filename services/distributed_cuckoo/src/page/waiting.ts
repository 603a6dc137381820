import { dataTable, html, type TemplateResult } from '@cuckoo-distributed/page/browser'
import type { Status, Waiting } from './api.js'

export function waitingPart({ waiting, waiting_total }: Status): TemplateResult {
  const table = dataTable<Waiting>({
    label: 'What pending tasks wait for',
    columns: [
      { title: 'requirement', cell: ({ requirement }) => requirement },
      { title: 'tasks', isNumber: true, cell: ({ tasks }) => tasks },
      { title: 'reason', cell: ({ reason }) => reason },
    ],
    rows: waiting,
    key: ({ requirement }) => requirement,
    empty: 'No task waits for anything but its turn.',
  })
  const isCut = waiting_total > waiting.length
  return html`<h2>What pending tasks wait for</h2>
    ${table}
    <p class="muted" ?hidden=${!isCut}>The first ${waiting.length} of ${waiting_total}.</p>`
}
