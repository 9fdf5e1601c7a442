/** A gate with an image to keep and one to delete, for what goes wrong around that deletion. */
import { push } from './client.js'
import type { WrappedGate } from './delgate.js'
import { expectStatus, type Answer } from './http.js'
import { image, type Image } from './images.js'
import { del } from './jobs.js'

/** Pushes `app:v1`, to keep, and `victim:v1`, to delete. */
export async function withVictim (starting: Promise<WrappedGate>): Promise<{ gate: WrappedGate, content: Image, victim: Image }> {
  const gate = await starting
  const content = await image('content')
  const victim = await image('victim')
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'victim', 'v1', victim)
  return { gate, content, victim }
}

/** Deletes `victim:v1`, and insists on the 202. */
export const deleteVictim = async (gate: WrappedGate): Promise<Answer> => expectStatus(await del(gate.url, '/v2/victim/manifests/v1'), 202, 'DELETE')
