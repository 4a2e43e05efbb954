package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

func wantEnd(t *testing.T, got Job, state State, code string) {
	t.Helper()
	if got.State != state || got.Code != code || got.Finished.IsZero() {
		t.Errorf("%+v, not %s %s", got, state, code)
	}
}

// A run that fails is repeated with growing waits, and its last error is told.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Options{Attempts: 4, Backoff: 8 * time.Second, MaxBackoff: 16 * time.Second})
		enqueue(t, b, job("mends"), job("stays"), job("permanent"))
		defer start(t, b, func(_ context.Context, task *Task) ([]byte, error) {
			switch {
			case task.Job.ID == "permanent":
				return nil, fmt.Errorf("for ever: %w", Permanent(&Failure{Code: "not-provable", Detail: "no", Cause: errors.New("private")}))
			case task.Job.ID == "mends" && task.Job.Attempt == 3:
				return nil, nil
			}
			return nil, fmt.Errorf("private %d", task.Job.Attempt)
		})()
		if got := await(t, b, "mends"); got.State != Done || got.Attempt != 3 || got.Code != "" {
			t.Errorf("%+v", got)
		}
		got := await(t, b, "stays")
		wantEnd(t, got, Failed, CodeInternal)
		if got.Attempt != 4 || got.Detail != "" {
			t.Errorf("%+v", got)
		}
		got = await(t, b, "permanent")
		wantEnd(t, got, Failed, "not-provable")
		if got.Attempt != 1 || got.Detail != "no" {
			t.Errorf("%+v", got)
		}
		all, err := b.Events(t.Context(), "stays", 0)
		if err != nil || len(all) != 9 {
			t.Fatalf("%+v, %v", all, err)
		}
		for i, longest := range []time.Duration{8, 16, 16} {
			failed, again := all[2+2*i], all[3+2*i]
			waited := again.At.Sub(failed.At)
			if failed.Type != EventRetrying || !again.At.Equal(failed.NotBefore) || waited > longest*time.Second || waited < longest*time.Second/2 {
				t.Errorf("after run %d: waited %s", i+1, waited)
			}
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Options{Pool: Pool{Workers: 1}, Deadline: time.Hour, Backoff: 10 * time.Minute, MaxBackoff: time.Hour})
		own := job("own")
		own.Deadline = time.Now().Add(time.Minute)
		waits := job("waits")
		waits.Deadline = time.Now().Add(30 * time.Second)
		enqueue(t, b, own, waits)
		defer start(t, b, func(ctx context.Context, task *Task) ([]byte, error) {
			if task.Job.ID == "fails" {
				return nil, errors.New("again")
			}
			if task.Job.ID == "done late" {
				<-ctx.Done()
				return nil, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})()
		begun := time.Now()
		wantEnd(t, await(t, b, "waits"), Failed, CodeDeadline)
		if since := time.Since(begun); since != 30*time.Second {
			t.Errorf("a job that waits ends after %s", since)
		}
		wantEnd(t, await(t, b, "own"), Failed, CodeDeadline)
		if since := time.Since(begun); since != time.Minute {
			t.Errorf("a job that runs ends after %s", since)
		}
		// The default deadline; a retry that would come after it is none.
		enqueue(t, b, job("fails"))
		got := await(t, b, "fails")
		wantEnd(t, got, Failed, CodeInternal)
		if got.Deadline.Sub(got.Enqueued) != time.Hour || got.Finished.After(got.Deadline) {
			t.Errorf("%+v", got)
		}
	})
}

func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Options{})
		later := job("later")
		later.NotBefore = time.Now().Add(time.Hour)
		enqueue(t, b, later)
		if got := get(t, b, "later"); got.Position != 0 {
			t.Errorf("%+v", got)
		}
		defer start(t, b, echo)()
		got := await(t, b, "later")
		if got.Started.Sub(got.Enqueued) != time.Hour {
			t.Errorf("%+v", got)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Options{Pool: Pool{Workers: 1}})
		ids := []string{"obeys", "too late", "fails", "waits"}
		for _, id := range []string{"obeys", "late", "fails", "waits"} {
			enqueue(t, b, job(id))
		}
		_ = ids
		if err := b.Cancel(t.Context(), "waits"); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, get(t, b, "waits"), Cancelled, "")
		if err := b.Cancel(t.Context(), "waits"); !errors.Is(err, ErrFinished) {
			t.Errorf("cancelled twice: %v", err)
		}
		ran := map[string]error{}
		defer start(t, b, func(ctx context.Context, task *Task) ([]byte, error) {
			if err := b.Cancel(context.Background(), task.Job.ID); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			ran[task.Job.ID] = context.Cause(ctx)
			if j := get(t, b, task.Job.ID); !j.Cancelling || j.State != Running {
				t.Errorf("%+v", j)
			}
			switch task.Job.ID {
			case "late":
				return []byte("all the same"), nil
			case "fails":
				return nil, Permanent(&Failure{Code: "other"})
			}
			return nil, ctx.Err()
		})()
		wantEnd(t, await(t, b, "obeys"), Cancelled, "")
		wantEnd(t, await(t, b, "fails"), Cancelled, "")
		if got := await(t, b, "late"); got.State != Done || string(got.Result) != "all the same" {
			t.Errorf("what is done is done: %+v", got)
		}
		for id, cause := range ran {
			if !errors.Is(cause, ErrCancelled) {
				t.Errorf("%s: %v", id, cause)
			}
		}
		if len(ran) != 3 {
			t.Errorf("%v ran", ran)
		}
		if got := events(t, b, "obeys"); !slices.Equal(got, []EventType{EventQueued, EventRunning, EventCancelling, EventCancelled}) {
			t.Errorf("events %v", got)
		}
	})
}

// A panic fails its job alone, and shows nothing of it.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	b := fresh(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	enqueue(t, b, job("panics"), job("exits"), job("index"), job("well"))
	stop := start(t, b, func(ctx context.Context, task *Task) ([]byte, error) {
		switch task.Job.ID {
		case "panics":
			panic("private-kanari " + string(task.Job.Payload))
		case "exits":
			t.SkipNow() // runtime.Goexit; of a test that has nothing to skip
		case "index":
			return nil, fmt.Errorf("private-kanari %d", task.Job.Payload[len(task.Job.Payload)])
		}
		return echo(ctx, task)
	})
	for _, id := range []string{"panics", "exits", "index"} {
		got := await(t, b, id)
		wantEnd(t, got, Failed, CodeInternal)
		if got.Attempt != 1 || got.Detail != "" {
			t.Errorf("%+v", got)
		}
	}
	wantEnd(t, await(t, b, "well"), Done, "")
	stop()
	if strings.Contains(log.String(), "kanari") || strings.Contains(log.String(), "payload of") {
		t.Errorf("the log shows a private value: %s", log.String())
	}
	if !strings.Contains(log.String(), "index out of range") || !strings.Contains(log.String(), "run_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
}

// A drain lets jobs end, and queues those that do not as if their run had not begun.
func TestDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.db")
	synctest.Test(t, func(t *testing.T) {
		b := open(t, path, Options{Pool: Pool{Workers: 3}, Drain: time.Minute})
		enqueue(t, b, job("ends"), job("stays"), job("ignores"), job("waits"))
		stop := start(t, b, func(ctx context.Context, task *Task) ([]byte, error) {
			switch task.Job.ID {
			case "ends":
				time.Sleep(30 * time.Second)
			case "ignores":
				time.Sleep(2 * time.Minute)
			case "stays":
				if err := task.Save([]byte("half way")); err != nil {
					return nil, err
				}
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, ErrDrained) {
					t.Errorf("the cause is %v", cause)
				}
				return nil, ctx.Err()
			}
			return []byte("done"), nil
		})
		synctest.Wait()
		begun := time.Now()
		stop()
		if since := time.Since(begun); since != 2*time.Minute {
			t.Errorf("drained in %s", since)
		}
		wantEnd(t, get(t, b, "ends"), Done, "")
		wantEnd(t, get(t, b, "ignores"), Done, "")
		for _, id := range []string{"stays", "waits"} {
			if got := get(t, b, id); got.State != Queued || got.Attempt != 0 || got.Position == 0 {
				t.Errorf("%+v", got)
			}
		}
		if got := events(t, b, "stays"); !slices.Equal(got, []EventType{EventQueued, EventRunning, EventSaved, EventRequeued}) {
			t.Errorf("events %v", got)
		}
		// It runs on in the same process, with what it saved.
		start(t, b, func(ctx context.Context, task *Task) ([]byte, error) { return task.Job.Saved, nil })
		if got := await(t, b, "stays"); string(got.Result) != "half way" || got.Attempt != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// reopened closes a queue's database as the process's end would, and opens it again.
func reopened(t *testing.T, b *Bolt, o Options) *Bolt {
	t.Helper()
	path := b.db.Path()
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, path, o)
}

// Jobs that ran when the process ended run again, with what they saved; those that
// were cancelled and had saved nothing do not, and those with which it ended too often.
func TestResume(t *testing.T) {
	o := Options{}
	b := fresh(t, o)
	enqueue(t, b, job("saved"), job("plain"), job("cancelled"), job("cancelled late"[:9]+"-late"), job("waits"))
	begin := func(id string, save bool) {
		j := func() *live {
			b.index.mu.Lock()
			defer b.index.mu.Unlock()
			for _, j := range b.index.jobs {
				if j.id == id {
					j.leave()
					j.running = true
					return j
				}
			}
			return nil
		}()
		task := &Task{b: b, number: j.number}
		if err := b.writer.write(func(tx *bolt.Tx) error { _, _, err := b.begin(tx, j, task, func(error) {}); return err }); err != nil {
			t.Fatal(err)
		}
		if save {
			if err := task.Save([]byte("state of " + id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	begin("saved", true)
	begin("plain", false)
	begin("cancelled", false)
	begin("cancelled-late", true)
	for _, id := range []string{"cancelled", "cancelled-late"} {
		if err := b.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	b = reopened(t, b, o)
	for i, id := range []string{"saved", "plain", "cancelled", "cancelled-late", "waits"} {
		if got := get(t, b, id); got.State != Queued || got.Position != i+1 {
			t.Errorf("%+v", got)
		}
	}
	start(t, b, func(ctx context.Context, task *Task) ([]byte, error) {
		if task.Job.ID == "cancelled-late" {
			<-ctx.Done()
		}
		return task.Job.Saved, nil
	})
	wantEnd(t, await(t, b, "cancelled"), Cancelled, "")
	for id, want := range map[string]string{"saved": "state of saved", "plain": "", "cancelled-late": "state of cancelled-late", "waits": ""} {
		if got := await(t, b, id); got.State != Done || string(got.Result) != want {
			t.Errorf("%+v", got)
		}
	}
}

// taken begins the run of a job, which the process's end is to cut short.
func taken(t *testing.T, b *Bolt, id string) *Task {
	t.Helper()
	b.index.mu.Lock()
	j := b.index.pools[""].take()
	b.index.mu.Unlock()
	if j == nil || j.id != id {
		t.Fatalf("%+v is taken, not %s", j, id)
	}
	task := &Task{b: b, number: j.number}
	if err := b.writer.write(func(tx *bolt.Tx) error { _, _, err := b.begin(tx, j, task, func(error) {}); return err }); err != nil {
		t.Fatal(err)
	}
	return task
}

// A job with which the process ends again and again fails at last, when the queue runs and
// not when it is opened: who opens it cannot be told yet. One that has saved something,
// whose effect may be there, never does.
func TestCrashes(t *testing.T) {
	for _, saves := range []bool{false, true} {
		opened := false
		o := Options{Pool: Pool{Workers: 1}, Backoff: 1, MaxBackoff: 1, OnFinish: func(*bolt.Tx, Job) error {
			if !opened {
				t.Error("a job finished while the queue was opened")
			}
			return nil
		}}
		b := fresh(t, o)
		enqueue(t, b, job("kills"), job("well"))
		for range maxCrashes + 2 {
			task := taken(t, b, "kills")
			if saves {
				if err := task.Save([]byte("state")); err != nil {
					t.Fatal(err)
				}
			}
			if b = reopened(t, b, o); !saves && get(t, b, "kills").Attempt == maxCrashes {
				break
			}
		}
		opened = true
		start(t, b, echo)
		if got := await(t, b, "kills"); saves {
			wantEnd(t, got, Done, "")
		} else {
			wantEnd(t, got, Failed, CodeCrashed)
		}
		wantEnd(t, await(t, b, "well"), Done, "")
	}
}

// After the first time, a job with which the process ended waits, longer each time.
func TestCrashBackoff(t *testing.T) {
	o := Options{Backoff: time.Hour, MaxBackoff: 4 * time.Hour}
	b := fresh(t, o)
	enqueue(t, b, job("kills"))
	taken(t, b, "kills")
	b = reopened(t, b, o)
	if got := get(t, b, "kills"); !got.NotBefore.IsZero() {
		t.Errorf("%+v waits after the first time", got)
	}
	taken(t, b, "kills")
	b = reopened(t, b, o)
	if got := get(t, b, "kills"); got.State != Queued || time.Until(got.NotBefore) < 25*time.Minute {
		t.Errorf("%+v does not wait", got)
	}
}

// Organisations take turns however many jobs one of them has, and positions say so.
func TestFair(t *testing.T) {
	b := fresh(t, Options{Pool: Pool{Workers: 1}})
	for organisation, jobs := range map[string]int{"bank-a": 20, "bank-b": 3, "bank-c": 6} {
		for i := range jobs {
			n := job(fmt.Sprintf("%s-%02d", organisation, i))
			n.Organisation = organisation
			enqueue(t, b, n)
		}
	}
	want := map[string]int{}
	jobs, _, err := b.List(t.Context(), Filter{})
	if err != nil || len(jobs) != 29 {
		t.Fatal(err)
	}
	for _, j := range jobs {
		want[j.ID] = j.Position
	}
	var order []string
	start(t, b, func(_ context.Context, task *Task) ([]byte, error) {
		order = append(order, task.Job.ID)
		return nil, nil
	})
	for _, j := range jobs {
		await(t, b, j.ID)
	}
	for i, id := range order {
		if want[id] != i+1 {
			t.Errorf("job %s ran as number %d, and its position was %d", id, i+1, want[id])
		}
	}
	for i := range 9 {
		turn := order[3*(i/3) : 3*(i/3)+3]
		if !slices.ContainsFunc(turn, func(id string) bool { return strings.HasPrefix(id, "bank-b") }) {
			t.Errorf("bank-b has no turn among %v", turn)
		}
	}
	if got := order[18:]; slices.ContainsFunc(got, func(id string) bool { return !strings.HasPrefix(id, "bank-a") }) {
		t.Errorf("after all others: %v", got)
	}
}

// A kind with a pool of its own neither waits for others nor holds them up.
func TestPools(t *testing.T) {
	b := fresh(t, Options{Pool: Pool{Workers: 1, Jobs: 2}, Pools: map[string]Pool{"delivery": {Workers: 2, JobsPerOrganisation: 3}}})
	var mu sync.Mutex
	running, most := map[string]int{}, map[string]int{}
	begun, release := make(chan struct{}, 4), make(chan struct{})
	count := func(kind string, by int) {
		mu.Lock()
		defer mu.Unlock()
		running[kind] += by
		most[kind] = max(most[kind], running[kind])
	}
	of := func(kind, id, organisation string) New { return New{ID: id, Kind: kind, Organisation: organisation} }
	enqueue(t, b, of("delivery", "d1", "bank-a"), of("delivery", "d2", "bank-a"), of("delivery", "d3", "bank-a"), of("proof", "p1", "bank-a"), of("proof", "p2", "bank-a"))
	var limit *LimitError
	if _, err := b.Enqueue(t.Context(), of("delivery", "d4", "bank-a")); !errors.Is(err, ErrTooMany) || !errors.As(err, &limit) || limit.RetryAfter < time.Second {
		t.Errorf("the share of an organisation: %v", err)
	}
	if _, err := b.Enqueue(t.Context(), of("proof", "p3", "bank-b")); !errors.Is(err, ErrFull) {
		t.Errorf("the queue is full: %v", err)
	}
	enqueue(t, b, of("delivery", "d4", "bank-b"), of("proof", "p1", "bank-a")) // room in the other pool; one that is there
	start(t, b, func(_ context.Context, task *Task) ([]byte, error) {
		count(task.Job.Kind, 1)
		defer count(task.Job.Kind, -1)
		if task.Job.Kind == "delivery" {
			begun <- struct{}{}
			<-release
		}
		return nil, nil
	})
	await(t, b, "p1")
	await(t, b, "p2")
	enqueue(t, b, of("proof", "p3", "bank-b")) // there is room again
	await(t, b, "p3")
	for range 2 { // both workers, before either has ended
		<-begun
	}
	close(release)
	for _, id := range []string{"d1", "d2", "d3", "d4"} {
		await(t, b, id)
	}
	if most["proof"] != 1 || most["delivery"] != 2 {
		t.Errorf("%v ran at once", most)
	}
}
