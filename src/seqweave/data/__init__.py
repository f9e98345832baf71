"""From files of pairs to batches of ids: reading, checking, splitting, tokenised storage, batching."""
