// Who has put a message back to work, when and how often: a note that travels with it, since failures that come later push older
// ones out of its history.
import { hostname, userInfo } from 'node:os'
import type { Note } from '@cuckoo-distributed/core'
import { validator } from '@cuckoo-distributed/core'
import Type, { type Static } from 'typebox'

export const Resubmissions = Type.Object({
  count: Type.Integer({ minimum: 1 }),
  /** The last ones, oldest first. `at` is ISO 8601 in UTC, `by` user and host. */
  last: Type.Array(Type.Object({ at: Type.String(), by: Type.String() })),
})
export type Resubmissions = Static<typeof Resubmissions>
const isResubmissions = validator(Resubmissions)

const KEPT = 8
const NAME_CHARACTERS = 100

export const RESUBMITTED: Note<Resubmissions> = {
  header: 'x-resubmitted',
  read: value => (isResubmissions(value) ? value : undefined),
}

export function withOneMore(before: Resubmissions | undefined, at: string, by: string): Resubmissions {
  const { count = 0, last = [] } = before ?? {}
  return { count: count + 1, last: [...last, { at, by }].slice(-KEPT) }
}

/** The user of this process and its host; with sudo, the user behind it. */
export function whoAmI(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return `${env.SUDO_USER ?? userName()}@${hostname()}`.slice(0, NAME_CHARACTERS)
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}` // an account that has no name, as containers have them
  }
}
