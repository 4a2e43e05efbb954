package queue

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// check finds what the buckets and the index have that does not go together.
func check(tx *bolt.Tx, x *index) error {
	counts := map[string]int{}
	unfinished := 0
	err := tx.Bucket(bucketJobs).ForEach(func(k, _ []byte) error {
		n, err := number(k)
		if err != nil {
			return err
		}
		r, err := read(tx, n)
		if err != nil {
			return err
		}
		counts["jobs"]++
		counts["events"] += int(r.Events)
		if !r.State.Finished() {
			unfinished++
		}
		return checkJob(tx, x, n, r)
	})
	if err != nil {
		return err
	}
	for bucket, want := range map[string]int{
		string(bucketIDs): counts["jobs"], string(bucketOrganisations): counts["jobs"], string(bucketEvents): counts["events"],
		string(bucketLive): unfinished, string(bucketPayloads): unfinished, string(bucketFinished): counts["jobs"] - unfinished,
	} {
		if got := tx.Bucket([]byte(bucket)).Stats().KeyN; got != want {
			return fmt.Errorf("bucket %s has %d rows, not %d", bucket, got, want)
		}
	}
	return checkIndex(x, unfinished)
}

func checkJob(tx *bolt.Tx, x *index, n uint64, r *record) error {
	has := func(bucket []byte) bool { return tx.Bucket(bucket).Get(key(n)) != nil }
	finished := r.State.Finished()
	j := x.jobs[n]
	switch {
	case has(bucketLive) == finished || has(bucketPayloads) == finished:
		return fmt.Errorf("job %s is %s, and its payload or its place among the unfinished are not so", r.ID, r.State)
	case has(bucketSaved) && finished:
		return fmt.Errorf("job %s has finished, and what it saved is there", r.ID)
	case has(bucketResults) != (r.State == Done):
		return fmt.Errorf("job %s is %s, and its result is there or not", r.ID, r.State)
	case (j == nil) != finished:
		return fmt.Errorf("job %s is %s, and in the index or not", r.ID, r.State)
	case j != nil && j.running != (r.State == Running):
		return fmt.Errorf("job %s is %s, and not so in the index", r.ID, r.State)
	}
	return nil
}

func checkIndex(x *index, unfinished int) error {
	counted, inLine := 0, 0
	for _, p := range x.pools {
		counted += p.unfinished
		byOrganisation := 0
		for _, n := range p.organisations {
			byOrganisation += n
		}
		if byOrganisation != p.unfinished {
			return fmt.Errorf("%d unfinished jobs by organisation, %d in all", byOrganisation, p.unfinished)
		}
		for _, l := range p.ring {
			if len(l.ready) == 0 {
				return fmt.Errorf("the lane of %s is empty", l.organisation)
			}
			inLine += len(l.ready)
		}
	}
	ready := 0
	for _, j := range x.jobs {
		if j.ready {
			ready++
		}
	}
	if counted != unfinished || len(x.jobs) != unfinished || ready != inLine {
		return fmt.Errorf("%d unfinished jobs, %d counted, %d in the index; %d in line, %d ready", unfinished, counted, len(x.jobs), inLine, ready)
	}
	return nil
}
