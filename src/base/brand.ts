declare const brand: unique symbol;

/** A string that only its owner can make: `type RunId = Brand<"run">`. */
export type Brand<Name extends string> = string & { readonly [brand]: Name };
