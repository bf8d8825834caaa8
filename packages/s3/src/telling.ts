import type { Progress, TargetContext } from "@lockstep/plugin";

/** How often many small files are told of, at most: what each word costs is paid by every sink. */
const TIMES = 500;

/** Tells how far many items are: a few hundred times, and always of the last. */
export function tellEvery(
  { progress }: Pick<TargetContext, "progress">,
  totalItems: number,
): (told: Omit<Progress, "totalItems"> & { readonly items: number }) => void {
  const step = Math.ceil(totalItems / TIMES);
  return (told) => {
    if (told.items % step === 0 || told.items === totalItems) progress({ ...told, totalItems });
  };
}
