import { z } from "zod";

/** Program and arguments. */
export type Words = readonly string[];

const word = z.string().refine((text) => !text.includes("\0"), "A NUL is not allowed");

/** A command of the user's: at least a program. */
export const words: z.ZodType<Words> = z
  .array(word)
  .min(1)
  .refine(([program]) => program !== "", "The program has no name");

/** Name of a variable in the environment of a process. */
export const variableName: z.ZodString = z
  .string()
  .regex(/^[A-Za-z_][0-9A-Za-z_]*$/, "This is no name of a variable");

/** Text for people and files, on one line. */
export const nameText: z.ZodString = z
  .string()
  .regex(/^[0-9A-Za-z_][0-9A-Za-z_.@:-]*$/, "Only letters, digits and _ . @ : - are allowed");
