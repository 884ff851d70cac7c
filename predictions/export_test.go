package predictions

// Held is what the live runs of this process hold, for tests.
func Held() int64 { return held.Load() }
