/** What a call failed with; of several failures the first. */
export async function failureOf(call: Promise<unknown>): Promise<unknown> {
  const failure = await call.then(
    () => "no failure",
    (error: unknown) => error,
  );
  return failure instanceof AggregateError ? failure.errors[0] : failure;
}
