package main

import (
	"math"
	"sort"
)

// cell is a square of about 100 km, named in the way of the Military Grid Reference System.
type cell struct {
	zone         int
	band         string
	square       string
	west, south  float64
	east, north  float64
	path, row    int // its place in the way of Landsat's reference system
	epsg         int
	code         string
	north100, ix int
}

// land is where people look: rough boxes of the continents and large islands, west south east north.
var land = [][4]float64{
	{-165, 58, -140, 70}, {-140, 50, -95, 69}, {-95, 46, -60, 60}, {-124, 31, -80, 50}, {-90, 30, -72, 46},
	{-110, 17, -94, 31}, {-92, 8, -79, 17}, {-79, -5, -50, 8}, {-75, -20, -37, -4}, {-71, -38, -52, -20},
	{-74, -54, -66, -38}, {-16, 5, 35, 33}, {10, -34, 38, 5}, {44, -25, 50, -13}, {-9, 37, 28, 55},
	{5, 55, 30, 69}, {28, 36, 140, 66}, {36, 13, 57, 36}, {70, 9, 88, 30}, {93, 9, 108, 28}, {88, 22, 120, 36},
	{96, -9, 140, 5}, {114, -36, 152, -13}, {167, -46, 177, -36}, {131, 32, 145, 44}, {-23, 63, -14, 66},
	{-52, 60, -30, 70}, {-9, 50, 1, 58},
}

const (
	bands   = "CDEFGHJKLMNPQRSTUVWX"
	columns = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	rows    = "ABCDEFGHJKLMNPQRSTUV"
)

// landCells are the cells whose middle lies on land, in an order that fills one block of 8 degrees after the
// other: the first thousand are some thirty regions, not a thousand lonely squares.
func landCells(seed uint64) []cell {
	var out []cell
	for iy := range 140 {
		south := -54 + 0.9*float64(iy)
		width := 0.9 / math.Cos((south+0.45)*math.Pi/180)
		for ix := 0; ; ix++ {
			west := -180 + width*float64(ix)
			if west+width > 179 {
				break
			}
			x, y := west+width/2, south+0.45
			if x < -178 || !onLand(x, y) {
				continue
			}
			c := cell{west: west, south: south, east: west + width, north: south + 0.9, north100: iy, ix: ix}
			c.zone = int(math.Floor((x+180)/6)) + 1
			c.band = string(bands[int((y+80)/8)])
			c.square = string(columns[ix%len(columns)]) + string(rows[iy%len(rows)])
			c.epsg = 32600 + c.zone
			if y < 0 {
				c.epsg = 32700 + c.zone
			}
			c.code = pad(c.zone, 2) + c.band + c.square
			out = append(out, c)
		}
	}
	order := func(c cell) (uint64, uint64) {
		block := uint64(math.Floor((c.west+180)/8))*100 + uint64(math.Floor((c.south+90)/8))
		return mix(seed, block), mix(seed, uint64(c.north100)<<32|uint64(c.ix))
	}
	sort.Slice(out, func(i, j int) bool {
		bi, ci := order(out[i])
		bj, cj := order(out[j])
		return bi < bj || bi == bj && ci < cj
	})
	for i := range out {
		out[i].path, out[i].row = 1+i/248, 1+i%248
	}
	return out
}

func onLand(x, y float64) bool {
	for _, b := range land {
		if x >= b[0] && y >= b[1] && x <= b[2] && y <= b[3] {
			return true
		}
	}
	return false
}

// mix is a hash of its numbers: whatever is drawn for one item depends on nothing but the seed and its place.
func mix(numbers ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, n := range numbers {
		h ^= n + 0x9e3779b97f4a7c15 + h<<6 + h>>2
		h ^= h >> 30
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 27
		h *= 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// unit is a number in [0, 1) made of a hash.
func unit(numbers ...uint64) float64 { return float64(mix(numbers...)>>11) / (1 << 53) }

// pad writes n with at least that many digits.
func pad(n, digits int) string {
	s := ""
	for range digits {
		s = string(rune('0'+n%10)) + s
		n /= 10
	}
	return s
}
