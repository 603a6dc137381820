// Deletes a dump for good. CRITs is told all the same that its analysis has ended.
import { describeError } from '@cuckoo-distributed/core'
import { Claim } from '../claim.js'
import { removeMark } from '../sending-mark.js'

/** Resolves with why it is still there, if it is. */
export async function deleteDump(dir: string, name: string): Promise<string | undefined> {
  try {
    await using dump = await Claim.take(dir, name)
    if (!dump) return 'left: in use by another process, or gone'
    await dump.remove()
    await removeMark(dir, name)
    return undefined
  } catch (error: unknown) {
    return `left: ${describeError(error)}`
  }
}
