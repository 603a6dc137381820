import type { CuckooStatus } from './answers.js'

/**
 * Whether deleting a task with tags would delete others with it, so that a client had better name a machine than tags.
 * Whatever does not call itself 2.0 or later may be a 1.x: forks write what they like.
 */
export function cascadesTags({ version }: Pick<CuckooStatus, 'version'>): boolean {
  return !/^[2-9]\./.test(version)
}
