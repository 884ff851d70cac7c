package sqlite

import (
	"context"
	"sync"
)

// checkpointer brings what was written from the log into the file, on a connection of its own, while the writer goes on. The writer
// does what is left of it, and waits for that, only when the log has grown long (whenWriting): then the log begins anew.
type checkpointer struct {
	*conn
	// due tells of much that was written. Nobody hears it while a checkpoint is under way.
	due  chan struct{}
	idle sync.WaitGroup
}

// muchWritten is how many items a transaction puts or removes to be worth a checkpoint.
const muchWritten = 1000

func newCheckpointer(c *conn) *checkpointer {
	p := &checkpointer{conn: c, due: make(chan struct{})}
	p.idle.Go(func() {
		for range p.due {
			_, _ = p.exec(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`) // one that fails leaves the log as it is
		}
	})
	return p
}

// wrote tells of a transaction that is on the disk.
func (p *checkpointer) wrote(items int) {
	if items < muchWritten {
		return
	}
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// close waits for the checkpoint that is under way.
func (p *checkpointer) close() error {
	close(p.due)
	p.idle.Wait()
	return p.conn.close()
}
