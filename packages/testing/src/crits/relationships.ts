// forge_relationship: `crits/crits:crits/relationships/handlers.py`, `add_relationship` in `crits/crits:crits/core/crits_mongoengine.py`.
import type { Profile } from './auth.js'
import type { CritsStore, Relationship, StoredPcap, StoredSample } from './store.js'

/** `crits/crits:crits/vocabulary/relationships.py`: a type and its inverse. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['Compressed From', 'Compressed Into'],
  ['Connected From', 'Connected To'],
  ['Contains', 'Contained Within'],
  ['Created', 'Created By'],
  ['Decoded', 'Decoded By'],
  ['Decrypted', 'Decrypted By'],
  ['Downloaded', 'Downloaded By'],
  ['Downloaded From', 'Downloaded To'],
  ['Dropped', 'Dropped By'],
  ['Installed', 'Installed By'],
  ['Loaded From', 'Loaded Into'],
  ['Packed From', 'Packed Into'],
  ['Received From', 'Sent To'],
  ['Registered', 'Registered To'],
  ['Related To', 'Related To'],
  ['Resolved To', 'Resolved To'],
  ['Sent', 'Sent By'],
]
const INVERSE = new Map<string, string>([
  ...PAIRS,
  ...PAIRS.map(([type, inverse]): [string, string] => [inverse, type]),
  // The vocabulary knows no way back.
  ['Sub-domain Of', 'Supra-domain Of'],
])

/** The sample of this type and id; class_from_id finds nothing for a type in lower case or a malformed id. */
export function objectFromId(store: CritsStore, type: unknown, id: unknown): StoredSample | undefined {
  return type === 'Sample' ? store.samples.get(String(id).toLowerCase()) : undefined
}

/** What a relationship may lead to. */
function rightFromId(store: CritsStore, type: unknown, id: unknown): StoredSample | StoredPcap | undefined {
  return type === 'PCAP' ? store.pcaps.find(pcap => pcap.id === String(id)) : objectFromId(store, type, id)
}

/**
 * Relates a sample and another one, or a capture, on both sides; a missing side is repaired. Returns why not, or undefined when it was done.
 * 2015 does not mind a relationship to oneself.
 */
export function relate(
  left: StoredSample,
  right: StoredSample | StoredPcap,
  type: string,
  profile: Profile,
): string | undefined {
  if (left === right && profile !== '2015') return 'Cannot forge relationship to oneself'
  const inverse = INVERSE.get(type)
  if (inverse === undefined) return 'Could not find relationship type'
  const rightType = 'screenshots' in right ? 'Sample' : 'PCAP'
  const mine = add(left, { relationship: type, type: rightType, objectId: right.id })
  const theirs = add(right, { relationship: inverse, type: 'Sample', objectId: left.id })
  return mine || theirs ? undefined : 'Relationship already exists'
}

/** The whole of `action=forge_relationship`; texts of what is refused, undefined for success. */
export function forgeRelationship(
  store: CritsStore,
  left: StoredSample,
  data: ReadonlyMap<string, unknown>,
  profile: Profile,
): string | undefined {
  const type = data.get('right_type')
  const id = data.get('right_id')
  const right = rightFromId(store, type, id)
  if (right === undefined) {
    if (profile !== '2015') return 'Failed to get right TLO'
    return type && id ? 'Failed to get right object' : 'Need a valid right type and id'
  }
  return relate(left, right, String(data.get('rel_type')), profile)
}

function add({ relationships }: Pick<StoredSample, 'relationships'>, link: Relationship): boolean {
  const known = relationships.some(
    ({ relationship, objectId }) => relationship === link.relationship && objectId === link.objectId,
  )
  if (!known) relationships.push(link)
  return !known
}
