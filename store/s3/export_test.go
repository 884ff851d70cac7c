package s3

// SetLimits makes objects count as large that a test can afford to send.
func (d *Driver) SetLimits(single, part, conditional int64) {
	d.limits = limits{single: single, part: part, conditional: conditional}
}
