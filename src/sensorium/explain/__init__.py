"""Why a model answered as it did: what each input is worth, and what inside it."""
