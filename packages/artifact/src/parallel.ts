/**
 * Does something with each item, at most `limit` at a time.
 *
 * Settles when nothing runs any more; after a failure nothing new is started.
 *
 * @throws the first failure.
 */
export async function eachOf<T>(
  items: Iterable<T>,
  limit: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items].values();
  const failures: unknown[] = [];

  const work = async (): Promise<void> => {
    for (const item of queue) {
      if (failures.length > 0) return;
      try {
        await act(item);
      } catch (cause) {
        failures.push(cause);
      }
    }
  };

  await Promise.all(Array.from({ length: limit }, work));
  if (failures.length > 0) throw failures[0];
}
