/** A literal, or a place where it is found at the moment of use: never the secret itself. */
export type SecretText = { readonly literal: string } | { readonly vault: string };
